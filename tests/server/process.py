"""A real ``flask serve`` in a process of its own, and what of it can be seen from outside."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import requests

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "flask", "--app", str(ROOT / "app.py")]
#: For ever, for a test: what has not happened by then never will.
PATIENCE_SECONDS = 60.0


def environment(instance: Path, **settings: str) -> dict[str, str]:
    """The variables of a child: none of Cadence's own but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CADENCE_", "FLASK_", "COV_"))}
    return kept | {"CADENCE_INSTANCE": str(instance)} | settings


def flask(instance: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run one command of ``flask --app app`` to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(instance, **settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def await_true(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until something has come true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.02)


class Server:
    """One ``flask serve``. Its output goes to a file beside the instance."""

    def __init__(self, instance: Path, port: int | None = None, **settings: str) -> None:
        self.instance = instance
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}"
        self.api = f"{self.url}/api/v1"
        self._log = instance.parent / f"{instance.name}-{self.port}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "serve"],
                cwd=ROOT,
                env=environment(instance, CADENCE_PORT=str(self.port), **settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """All it has written so far."""
        return self._log.read_text()

    def await_ready(self) -> None:
        await_true(self._is_ready, "the server's start")

    def family(self) -> list[psutil.Process]:
        """Every process that it has started, zygote and workers included, without itself."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def serving_process(self) -> psutil.Process:
        """The process that answers: the one that is not forked from a zygote, below the supervisor."""
        (first,) = (child for child in psutil.Process(self.process.pid).children() if "zygote" not in _line(child))
        return first

    def end(self) -> int:
        """Have it end as an operator does, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it and all it started, whatever became of it. Any number of times."""
        family = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = self.family()
        self.process.kill()
        self.process.wait()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.api + path, timeout=PATIENCE_SECONDS, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return requests.post(self.api + path, timeout=PATIENCE_SECONDS, **options)

    def delete(self, path: str) -> requests.Response:
        return requests.delete(self.api + path, timeout=PATIENCE_SECONDS)

    def upload(self, archive: bytes, filename: str, **fields: str) -> requests.Response:
        return self.post("/plugins/upload", files={"file": (filename, archive)}, data=fields)

    def call(self, name: str, tool: str, **arguments: object) -> requests.Response:
        return self.post(f"/plugins/{name}/tools/{tool}", json=arguments)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"the server ended:\n{self.output}"
        with contextlib.suppress(requests.ConnectionError):
            return bool(requests.get(f"{self.api}/health", timeout=5).ok)
        return False


@contextlib.contextmanager
def serving(instance: Path, **settings: str) -> Iterator[Server]:
    """A server that is ready, and is ended at the end in any case."""
    server = Server(instance, None, **settings)
    try:
        server.await_ready()
        yield server
    finally:
        server.kill()


def _line(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
