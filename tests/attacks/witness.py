"""Who sees from outside whether an attack succeeded: listeners, processes and files that a test owns."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from tests.attacks.stage import Stage, new_secret, run_as
from tests.processes import is_over
from tests.server.process import await_true

#: What a listener waits for a message that was sent before it is asked; loopback delivers at once.
_DELIVERY_SECONDS = 1.0


class Listener:
    """A socket of the test's that an attacker is to reach."""

    def __init__(self, family: int, kind: int, address: object) -> None:
        self._socket = socket.socket(family, kind)
        self._socket.bind(address)  # type: ignore[arg-type]  # each family has an address of its own form
        self._socket.settimeout(_DELIVERY_SECONDS)
        if kind == socket.SOCK_STREAM:
            self._socket.listen()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def heard(self, text: str) -> bool:
        """Whether somebody has said something with this in it."""
        with contextlib.suppress(TimeoutError):
            return text in self._next_message()
        return False

    def close(self) -> None:
        self._socket.close()

    def _next_message(self) -> str:
        if self._socket.type == socket.SOCK_DGRAM:
            return self._socket.recv(4096).decode("latin-1")
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(_DELIVERY_SECONDS)
            return connection.recv(4096).decode("latin-1")


@contextlib.contextmanager
def listening(family: int, kind: int, address: object) -> Iterator[Listener]:
    listener = Listener(family, kind, address)
    try:
        yield listener
    finally:
        listener.close()


def answers_at(family: int, address: object) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket(family) as visitor:
        visitor.settimeout(_DELIVERY_SECONDS)
        return visitor.connect_ex(address) == 0  # type: ignore[arg-type]  # see above


class Target:
    """A process of the server's user, with a secret in its environment and in what it reads.

    :ivar address: where in its memory the environment begins.
    """

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.secret = new_secret()
        input_ = folder / "input"
        input_.write_text(self.secret)
        with input_.open("rb") as source:
            self._process = subprocess.Popen(
                ["sleep", "600"],
                stdin=source,
                env={"TARGET_SECRET": self.secret},
                start_new_session=True,
                **run_as(stage.uid),
            )
        input_.unlink()
        self.process = psutil.Process(self._process.pid)
        self.pid = self._process.pid
        environment = Path(f"/proc/{self.pid}/environ")
        await_true(lambda: self.secret in environment.read_text(), "the target's start")

    @property
    def address(self) -> int:
        return self._environment()[0]

    @property
    def length(self) -> int:
        start, end = self._environment()
        return end - start

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _environment(self) -> tuple[int, int]:
        """From where to where its environment reaches (proc(5), stat, fields 50 and 51)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[47]), int(fields[48])


@contextlib.contextmanager
def target(stage: Stage) -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder:
        made = Target(stage, Path(folder))
        try:
            yield made
        finally:
            made.close()


def canary(stage: Stage) -> Path:
    """A new file outside, that is the server's own and that anyone may read and write."""
    path = stage.outside / f"canary-{uuid.uuid4().hex}"
    path.write_text("untouched")
    path.chmod(0o666)
    if stage.uid is not None:
        os.chown(path, stage.uid, stage.uid)
    os.utime(path, (10**9, 10**9))
    return path


def changed(path: Path) -> Callable[[], bool]:
    """Tells whether a file is another than it is now: its content, mode, times, attributes, or that it is there."""
    before = _looks(path)
    return lambda: _looks(path) != before


def _looks(path: Path) -> tuple[object, ...] | None:
    if not path.exists():
        return None
    status = path.stat()
    return path.read_bytes(), status.st_mode, status.st_uid, status.st_mtime, os.listxattr(path)


def ends_soon(process: psutil.Process) -> bool:
    """Whether a process has ended, or does within a moment: a signal may still be on its way."""
    end = time.monotonic() + _DELIVERY_SECONDS / 4
    while not is_over(process) and time.monotonic() < end:
        time.sleep(0.01)
    return is_over(process)
