"""What a hostile build tries. It runs inside a build, as the module ``acts`` of :mod:`tests.dependencies.backends`.

Each attack raises where it is kept from what it tries, and returns what it got where it is not. ``GIVEN`` is filled in
by the test: where things are on the host.
"""

import contextlib
import ctypes
import mmap
import os
import pathlib
import resource
import signal
import socket
import stat
import subprocess
import sys
import types
from typing import Any

GIVEN: dict[str, Any] = {}


def _environment() -> pathlib.Path:
    return pathlib.Path(sys.executable).parent.parent


def read_the_index_database(hook: str) -> Any:
    return pathlib.Path(GIVEN["index"]).read_text()


def read_a_secret_file(hook: str) -> Any:
    return pathlib.Path(GIVEN["secret"]).read_text()


def read_it_by_a_link(hook: str) -> Any:
    link = pathlib.Path("link-" + hook)
    link.symlink_to(GIVEN["secret"])
    return link.read_text()


def read_it_by_a_program(hook: str) -> Any:
    return subprocess.run(["cat", GIVEN["secret"]], capture_output=True, text=True, check=True).stdout


def look_at_other_environments(hook: str) -> Any:
    return list(pathlib.Path(GIVEN["environments"]).iterdir())


def read_the_servers_environment(hook: str) -> Any:
    return pathlib.Path(f"/proc/{GIVEN['server']}/environ").read_bytes().decode()[:20]


def find_the_servers_variable(hook: str) -> Any:
    return os.environ["CADENCE_TEST_SECRET"]


def find_the_servers_variable_in_uv(hook: str) -> Any:
    for process in pathlib.Path("/proc").iterdir():
        # One that ends while it is looked at is not the uv that waits for this build.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            is_uv = process.name.isdigit() and (process / "comm").read_text().strip() == "uv"
            if is_uv and b"CADENCE_TEST_SECRET" in (process / "environ").read_bytes():
                return "found"
    raise LookupError


def read_the_servers_memory(hook: str) -> Any:
    with pathlib.Path(f"/proc/{GIVEN['server']}/mem").open("rb"):
        return "opened"


def write_outside(hook: str) -> Any:
    return pathlib.Path(GIVEN["outside"], hook).write_text("planted")


def write_into_the_shared_cache(hook: str) -> Any:
    return pathlib.Path(GIVEN["cache"], hook).write_text("planted")


def write_into_tmp(hook: str) -> Any:
    pathlib.Path("/tmp", GIVEN["marker"]).write_text("planted")
    pathlib.Path("/tmp", GIVEN["marker"]).unlink()


def change_the_mode_of_a_file_outside(hook: str) -> Any:
    pathlib.Path(GIVEN["secret"]).chmod(0o644)


def make_a_file_outside_a_link(hook: str) -> Any:
    os.link(GIVEN["secret"], "hard-" + hook)


def change_what_uv_unpacked(hook: str) -> Any:
    cache = _environment().parent.parent
    (cache / "archive-v0").mkdir(exist_ok=True)
    return (cache / "archive-v0" / hook).write_text("planted")


def change_what_uv_knows_of_the_interpreter(hook: str) -> Any:
    for known in _environment().parent.parent.glob("interpreter-v*/*/*"):
        with known.open("r+b"):
            return "opened"
    raise LookupError


def change_the_program_that_uv_runs(hook: str) -> Any:
    python = _environment() / "bin" / "python"
    target = python.readlink()
    python.unlink()
    python.symlink_to(target)


def change_the_build_environment(hook: str) -> Any:
    (package,) = _environment().glob("lib/*/site-packages")
    return (package / f"{hook}.pth").write_text("")


def leave_a_file_where_uv_locks(hook: str) -> Any:
    return (_environment() / hook).write_text("planted")


def replace_the_build_environment(hook: str) -> Any:
    aside = _environment().with_name("aside-" + hook)
    _environment().rename(aside)
    aside.rename(_environment())


def connect_by_tcp(hook: str) -> Any:
    with socket.create_connection(("127.0.0.1", GIVEN["tcp"]), 5):
        return "connected"


def send_by_udp(hook: str) -> Any:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"hello", ("127.0.0.1", GIVEN["udp"]))


def connect_to_a_unix_socket(hook: str) -> Any:
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect(GIVEN["unix"])
        return "connected"


def connect_to_an_abstract_socket(hook: str) -> Any:
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect("\0" + GIVEN["marker"])
        return "connected"


def kill_a_process_of_the_server(hook: str) -> Any:
    os.kill(GIVEN["victims"][hook], signal.SIGKILL)


def trace_a_process_of_the_server(hook: str) -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, GIVEN["bystander"], 0, 0) < 0:  # PTRACE_SEIZE; it is let go when this process ends
        raise OSError(ctypes.get_errno(), "ptrace")


def be_many(hook: str) -> Any:
    """More processes than a build may have; they end when the pipe does."""
    read, write = os.pipe()
    started = []
    try:
        for _ in range(400):
            pid = os.fork()
            if pid == 0:
                os.close(write)
                os.read(read, 1)
                os._exit(0)
            started.append(pid)
    finally:
        os.close(write)
        for pid in started:
            os.waitpid(pid, 0)
    return len(started)


def take_much_memory(hook: str) -> Any:
    with mmap.mmap(-1, 6 * 1024**3, flags=mmap.MAP_PRIVATE):
        return "taken"


def lift_a_limit(hook: str) -> Any:
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_DATA, limits)


def make_a_device(hook: str) -> Any:
    os.mknod("device", 0o600 | stat.S_IFBLK, os.makedev(7, 0))
    pathlib.Path("device").unlink()


def enter_a_namespace(hook: str) -> Any:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ctypes.CDLL(None).unshare(0x00020000) == 0 else 1)
    if os.waitpid(pid, 0)[1] != 0:
        raise PermissionError("unshare")


def become_root_again(hook: str) -> Any:
    os.setresuid(0, 0, 0)
    return list(pathlib.Path(GIVEN["private"]).iterdir())


ATTACKS = {
    name: attack
    for name, attack in list(globals().items())
    if isinstance(attack, types.FunctionType) and not name.startswith("_")
}


def act(hook: str) -> Any:
    told = {}
    for name, attack in ATTACKS.items():
        try:
            told[name] = {"got": repr(attack(hook))}
        except BaseException as error:  # noqa: BLE001  (whatever keeps it from it)
            told[name] = {"kept": repr(error)}
    return told
