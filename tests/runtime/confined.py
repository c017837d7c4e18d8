"""Processes that connect through a gateway, and listeners that see who comes."""

import json
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from cadence.runtime.gateway import Gateway
from cadence.runtime.notification import receive_listener
from cadence_sdk._runtime.endpoint import parse_endpoint

_PROGRAM = Path(__file__).with_name("confined_worker.py")
_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0


class Confined:
    """A process that may connect to ``grants`` and runs ``code``, which leaves what it found in ``result``.

    ``say`` and ``hear`` in the code exchange lines with :meth:`hear` and :meth:`say` here.
    """

    def __init__(self, gateway: Gateway, grants: list[str], code: str, **config: Any) -> None:
        self.notes: list[str] = []
        endpoints = tuple(map(parse_endpoint, grants))
        config |= {
            "code": textwrap.dedent(code),
            "endpoints": [[endpoint.host, endpoint.port, endpoint.private] for endpoint in endpoints],
        }
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), str(theirs.fileno()), json.dumps(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[theirs.fileno()],
                cwd=_ROOT,
                env={"PYTHONPATH": str(_ROOT)},
            )
            theirs.close()
            gateway.attach(receive_listener(ours, _START_SECONDS), endpoints, self.notes.append)
        self.say("go")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process ended without a word"
        return json.loads(line)

    def outcome(self) -> dict[str, Any]:
        """What the code left, as ``result``, or the ``error`` that it raised with its ``errno``."""
        outcome = self.hear()
        assert isinstance(outcome, dict)
        return outcome

    def result(self) -> Any:
        outcome = self.outcome()
        assert "result" in outcome, outcome
        return outcome["result"]


class Listener:
    """A TCP listener that greets whoever connects with its port number and remembers that they came."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._socket.getsockname()[1]
        self.came = 0
        self._thread = threading.Thread(target=self._greet)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._thread.join()
        self._socket.close()

    def _greet(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.came += 1
            with connection:
                connection.sendall(b"%d" % self.port)


def answering(*answers: list[str], meanwhile: Callable[[], None] = lambda: None) -> Callable[..., Any]:
    """A resolver that gives one list of addresses after the other, the last one for good."""
    left = list(answers)

    def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        meanwhile()
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    return resolve
