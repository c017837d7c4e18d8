"""Load on a server from a process of its own: some callers, each with a connection that it keeps, one call at a time.

Run as ``python -m benchmarks.load`` it takes an order a line (JSON) and answers each with a line.
"""

import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import Self

import msgspec
from msgspec import Struct

from benchmarks.client import Connection, split
from benchmarks.sampling import Samples
from benchmarks.workbench import ROOT

_CHUNK_BYTES = 65536
_END_SECONDS = 10.0


class Order(Struct, frozen=True):
    """What to do: ``request`` over and over for so many seconds; an answer that lacks ``expected`` is a failure."""

    port: int
    request: bytes
    expected: bytes
    callers: int
    seconds: float


class Load(Struct, frozen=True):
    """What came of it: each answered call in ms, the failed calls, the first failure in words."""

    seconds: float
    answered_ms: tuple[float, ...]
    failed: int = 0
    failure: str | None = None

    @property
    def per_second(self) -> float:
        """Calls that were answered as they should be, in a second."""
        return len(self.answered_ms) / self.seconds

    @property
    def samples(self) -> Samples:
        """How long the answered ones took, in ms."""
        return Samples.of(self.answered_ms)


class Driver:
    """The process that makes the load; a context manager."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.load"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def run(self, order: Order) -> Load:
        """Make the load and wait for its end."""
        self.start(order)
        return self.finish()

    def start(self, order: Order) -> None:
        """Begin."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()

    def finish(self) -> Load:
        """Wait for what :meth:`start` began.

        :raises RuntimeError: when the process has ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that makes the load has ended")
        return msgspec.json.decode(line, type=Load)


class _Caller:
    """One connection, and the call that is on its way."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.connection = Connection(order.port)
        self.received = b""
        self.started = 0.0

    def send(self) -> None:
        self.received = b""
        self.started = time.perf_counter()
        self.connection.socket.sendall(self._order.request)

    def receive(self) -> str | None:
        """Take what has come. The words of a failure, an empty one for a good answer, ``None`` when there is more."""
        chunk = self.connection.socket.recv(_CHUNK_BYTES)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self.received += chunk
        answer = split(self.received)
        if answer is None:
            return None
        good = answer.status == 200 and self._order.expected in answer.body
        return "" if good else f"{answer.status} {answer.body[:200].decode(errors='replace')}"


class _Drive:
    """One order as it is carried out, by one thread that waits for all callers at once."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._poller = select.epoll()
        self._callers: dict[int, _Caller] = {}
        self._taken: list[float] = []
        self._failures: list[str] = []

    def run(self) -> Load:
        started = time.perf_counter()
        deadline = started + self._order.seconds
        for _ in range(self._order.callers):
            self._begin()
        while self._callers:
            going_on = time.perf_counter() < deadline
            for descriptor, _ in self._poller.poll():
                self._step(descriptor, going_on=going_on)
        self._poller.close()
        seconds = time.perf_counter() - started
        failure = self._failures[0] if self._failures else None
        return Load(seconds, tuple(self._taken), len(self._failures), failure)

    def _begin(self) -> None:
        caller = _Caller(self._order)
        descriptor = caller.connection.socket.fileno()
        self._callers[descriptor] = caller
        self._poller.register(descriptor, select.EPOLLIN)
        caller.send()

    def _step(self, descriptor: int, *, going_on: bool) -> None:
        caller = self._callers[descriptor]
        try:
            failure = caller.receive()
            if failure is None:
                return
            self._note(caller, failure)
            if going_on:
                caller.send()
            else:
                self._end(descriptor)
        except OSError as error:
            self._failures.append(str(error))
            self._end(descriptor)
            if going_on:
                self._begin()

    def _note(self, caller: _Caller, failure: str) -> None:
        if failure:
            self._failures.append(failure)
        else:
            self._taken.append((time.perf_counter() - caller.started) * 1000)

    def _end(self, descriptor: int) -> None:
        self._poller.unregister(descriptor)
        self._callers.pop(descriptor).connection.socket.close()


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin.buffer:
        done = _Drive(msgspec.json.decode(line, type=Order)).run()
        sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
