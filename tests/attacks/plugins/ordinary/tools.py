"""What honest plugins do: a tool for each thing."""

import asyncio
import concurrent.futures
import importlib.resources
import json
import logging
import mmap
import multiprocessing
import os
import pickle
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from cadence_sdk import tool


@tool
def numpy_product(size: int) -> float:
    """Multiply matrices."""
    import numpy as np

    return float((np.eye(size) @ np.full((size, size), 2.0)).sum())


@tool
def numpy_file() -> list[int]:
    """Keep an array in a file and map it."""
    import numpy as np

    np.save("array.npy", np.arange(5))
    return [int(one) for one in np.load("array.npy", mmap_mode="r")]


@tool
def fetch(url: str) -> str:
    """Get a page by requests."""
    import requests

    return requests.get(url, timeout=5).text


@tool
def fetch_by_urllib(url: str) -> str:
    """Get a page by the standard library."""
    from urllib.request import urlopen

    with urlopen(url, timeout=5) as answer:
        return answer.read().decode()


@tool
def fetch_often(url: str, count: int) -> int:
    """Get a page by several threads that share a session."""
    import requests

    with requests.Session() as session, concurrent.futures.ThreadPoolExecutor(8) as pool:
        return sum(one.ok for one in pool.map(lambda _: session.get(url, timeout=5), range(count)))


@tool
async def fetch_by_asyncio(host: str, port: int) -> str:
    """Get a page by streams of asyncio."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2].decode()


@tool
def refused(host: str, port: int) -> str:
    """Connect to where nobody listens; the name of the error."""
    try:
        socket.create_connection((host, port), 5).close()
    except OSError as error:
        return type(error).__name__
    return "connected"


@tool
def database() -> list[str]:
    """Keep rows in a database in the data directory, with a write-ahead log, and a temporary table."""
    with sqlite3.connect("rows.db") as rows:
        rows.execute("PRAGMA journal_mode=WAL")
        rows.execute("CREATE TABLE IF NOT EXISTS word (text TEXT)")
        rows.execute("DELETE FROM word")
        rows.executemany("INSERT INTO word VALUES (?)", [("one",), ("two",)])
        rows.execute("CREATE TEMP TABLE sorted AS SELECT text FROM word ORDER BY text DESC")
        found = [text for (text,) in rows.execute("SELECT text FROM sorted")]
    rows.execute("VACUUM")
    rows.close()
    return found


@tool
def threads(count: int) -> int:
    """Run threads at once."""
    barrier, met = threading.Barrier(count), []

    def meet() -> None:
        met.append(barrier.wait(10))

    running = [threading.Thread(target=meet) for _ in range(count)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return len(met)


@tool
def loop() -> list[int]:
    """Run a loop of its own, with work in threads, and timeouts."""

    async def square(number: int) -> int:
        await asyncio.sleep(0.001)
        return await asyncio.to_thread(pow, number, 2)

    async def squares() -> list[int]:
        async with asyncio.timeout(10):
            return list(await asyncio.gather(*map(square, range(4))))

    return asyncio.run(squares())


@tool
async def awaited() -> str:
    """Be asynchronous."""
    await asyncio.sleep(0.001)
    return "awaited"


@tool
def run_program() -> str:
    """Run a program."""
    return subprocess.run(["echo", "from a program"], capture_output=True, text=True, check=True).stdout.strip()


@tool
def run_shell() -> str:
    """Run a shell, with a pipe in it."""
    return subprocess.check_output("echo from a shell | tr a-z A-Z", shell=True, text=True).strip()


@tool
def run_python() -> str:
    """Run another Python."""
    command = [sys.executable, "-c", "import json; print(json.dumps([1, 2]))"]
    return subprocess.check_output(command, text=True).strip()


@tool
async def run_program_by_asyncio() -> str:
    """Run a program from a loop."""
    process = await asyncio.create_subprocess_exec("echo", "from a loop", stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().strip()


@tool
def end_program() -> int:
    """Start a program and end it."""
    with subprocess.Popen(["sleep", "60"]) as program:
        program.terminate()
        return -program.wait(10)


@tool
def processes() -> list[int]:
    """Work in processes that are forked."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-1, -2, -3])


@tool
def fresh_processes() -> list[int]:
    """Work in processes that are started anew."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return list(pool.map(abs, [-1, -2]))


@tool
def temporary_files() -> bool:
    """Use every kind of temporary file."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.NamedTemporaryFile() as named,
        tempfile.TemporaryFile() as file,
    ):
        file.write(b"x")
        named.write(b"x")
        Path(folder, "inner").mkdir()
        with tempfile.SpooledTemporaryFile(max_size=1) as spooled:
            spooled.write(b"more than one")
        return named.name.startswith(os.environ["TMPDIR"])


@tool
def files() -> list[str]:
    """Do with files in the data directory what one does."""
    folder = Path(os.environ["CADENCE_PLUGIN_DATA"], "kept")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "inner").mkdir(parents=True)
    (folder / "one").write_text("1")
    (folder / "one").chmod(0o600)
    os.utime(folder / "one", (1, 1))
    (folder / "one").rename(folder / "inner" / "two")
    (folder / "link").symlink_to("inner/two")
    os.link(folder / "inner" / "two", folder / "three")
    os.replace(folder / "three", folder / "four")
    shutil.copy2(folder / "four", folder / "five")
    with (folder / "five").open("r+b") as five, mmap.mmap(five.fileno(), 0) as mapped:
        mapped[0:1] = b"5"
        mapped.flush()
        os.fsync(five.fileno())
    with (folder / "five").open("a+") as five:
        five.truncate(1)
    assert (folder / "link").read_text() == "1"
    assert (folder / "five").read_text() == "5"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@tool
def home() -> bool:
    """Write where programs keep things at home."""
    path = Path.home() / ".cache" / "ordinary"
    path.mkdir(parents=True, exist_ok=True)
    return path.is_dir()


@tool
def zones() -> list[str]:
    """Tell the time elsewhere."""
    noon = datetime(2024, 7, 1, 12, tzinfo=UTC)
    return [noon.astimezone(ZoneInfo(name)).isoformat() for name in ("Europe/Berlin", "America/New_York")]


@tool
def local_time() -> int:
    """Tell the local time."""
    time.tzset()
    return time.localtime(0).tm_year


@tool
def certificates() -> int:
    """Make a context for TLS; the number of authorities it trusts, or of files they would be in."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    return len(context.get_ca_certs()) + sum(path is not None for path in (paths.cafile, paths.capath))


@tool
def log_lines() -> None:
    """Log, and print."""
    logging.getLogger("ordinary").warning("a line of the log")
    print("a line that was printed")


@tool
def conversions() -> list[str]:
    """Use the plainer parts of the standard library."""
    kept = pickle.loads(pickle.dumps({"a": Decimal("1.10")}))
    text = json.dumps({"a": str(kept["a"] * 2)})
    found = re.search(r"\d\.\d+", text)
    return [text, found.group() if found else "", str(uuid.UUID(int=0))]


@tool
def resource_file() -> str:
    """Read a file that came with the plugin."""
    return importlib.resources.files("ordinary.words").joinpath("greeting.txt").read_text("utf-8")


@tool
def lazy_import() -> int:
    """Import late, of its own and of Python's."""
    import xml.etree.ElementTree

    from .later import ANSWER

    return ANSWER if xml.etree.ElementTree.fromstring("<a/>").tag == "a" else 0


@tool
def facts() -> list[bool]:
    """Ask about the machine, as libraries do."""
    import platform

    return [(os.cpu_count() or 0) > 0, bool(platform.platform()), bool(os.urandom(1)), os.getloadavg() is not None]


@tool
def identity() -> bool:
    """Ask who it is."""
    return os.getuid() >= 0 and bool(os.times()) and os.getpid() > 0


@tool
def socket_pair() -> str:
    """Talk among its own threads."""
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"hello")
        return other.recv(5).decode()


TOOLS = [
    numpy_product,
    numpy_file,
    fetch,
    fetch_by_urllib,
    fetch_often,
    fetch_by_asyncio,
    refused,
    database,
    threads,
    loop,
    awaited,
    run_program,
    run_shell,
    run_python,
    run_program_by_asyncio,
    end_program,
    processes,
    fresh_processes,
    temporary_files,
    files,
    home,
    zones,
    local_time,
    certificates,
    log_lines,
    conversions,
    resource_file,
    lazy_import,
    facts,
    identity,
    socket_pair,
]
