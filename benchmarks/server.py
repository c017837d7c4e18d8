"""Real servers in processes of their own: Cadence as ``flask serve``, and the least that can answer (the floor)."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.client import Answer, Connection, request
from benchmarks.workbench import ROOT

_START_SECONDS = 60.0
_END_SECONDS = 15.0
_POLL_SECONDS = 0.002
#: The console script beside the interpreter, as ``make run`` starts it.
FLASK = str(Path(sys.executable).with_name("flask"))


class ServerFailed(Exception):
    """A server did not come up; the words are the end of what it printed."""


@contextmanager
def cadence(instance: Path, first_page: str = "/api/v1/health") -> Iterator[int]:
    """``flask serve`` on a free port of the loopback interface, which is what the block is given.

    It begins once ``first_page`` was answered with 200; server and workers have ended after it.
    """
    port = free_port()
    environ = {"CADENCE_INSTANCE": str(instance), "CADENCE_HOST": "127.0.0.1", "CADENCE_PORT": str(port)}
    with _served([FLASK, "--app", "app", "serve"], port, environ, instance.with_suffix(".log"), first_page):
        yield port


@contextmanager
def floor(folder: Path, threads: int) -> Iterator[int]:
    """Granian with a Flask application that answers ``{"ok": true}`` and does nothing else."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.floor", str(port), str(threads)]
    with _served(command, port, {}, folder / "floor.log", "/"):
        yield port


def free_port() -> int:
    """A port of the loopback interface that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def fetch(port: int, path: str, method: str = "GET") -> Answer:
    """One request on a connection of its own.

    :raises OSError: when it is not answered.
    """
    with Connection(port) as connection:
        return connection.exchange(request(method, path))


@contextmanager
def _served(command: list[str], port: int, environ: Mapping[str, str], log: Path, first_page: str) -> Iterator[None]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ}, stdout=output, stderr=output)
    try:
        _await(process, port, first_page, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(port, path):
        if process.poll() is not None or time.monotonic() > deadline:
            state = "in time" if process.returncode is None else f"and ended with status {process.returncode}"
            said = log.read_text(errors="replace")[-500:].strip() or "nothing"
            raise ServerFailed(f"The server did not come up {state}. It said: {said}")
        time.sleep(_POLL_SECONDS)


def _answers(port: int, path: str) -> bool:
    try:
        return fetch(port, path).status == 200
    except OSError:
        return False


def family(instance: Path) -> list[psutil.Process]:
    """The processes of the server of an instance, workers included, that this process started."""
    return [child for child in psutil.Process().children(recursive=True) if _is_of(child, instance)]


def _is_of(process: psutil.Process, instance: Path) -> bool:
    try:
        return process.environ().get("CADENCE_INSTANCE") == str(instance)
    except psutil.Error:  # gone, or a worker that is nobody's to look into
        return False
