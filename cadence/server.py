"""The production server: granian in front of the application.

Chosen by measurement, on two cores with eight callers of a trivial Flask endpoint: granian with 16 threads answered
5,900 requests a second (p99 7 ms), waitress 2,460 (p99 9 ms), Flask's development server 1,200. Its HTTP is parsed
outside the interpreter lock, and bodies are streamed, so an upload is hashed while it comes in.

One process serves; a supervisor process in front of it holds the port and starts another should it die.
"""

import ctypes
import errno
import mmap
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from granian import Granian
from granian.constants import Interfaces

from cadence import create_app
from cadence.config import Settings
from cadence.errors import ConfigurationError
from cadence.parts import Parts
from cadence.web.guard import is_loopback
from cadence.web.services import EXTENSION

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until the process is told to end (``SIGTERM``, ``SIGINT``).

    :param announce: is given the start-up line, and then one that says how plugins are confined.
    :raises ConfigurationError: when the address is not one of this machine alone, or cannot be listened on.
    """
    if not is_loopback(settings.host):
        raise ConfigurationError(
            f"CADENCE_HOST {settings.host!r} is not an address of this machine alone, and this server has no access "
            "control yet. Use 127.0.0.1, ::1 or localhost, and put a proxy that has it in front."
        )
    address = "127.0.0.1" if settings.host.lower() == "localhost" else settings.host
    _require_free(address, settings.port)
    supervisor = os.getpid()
    announce_sandbox = _once(announce)

    def application() -> Any:
        return _application(settings, supervisor, announce_sandbox)

    server = Granian(
        "cadence",
        address=address,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=settings.threads,
        respawn_failed_workers=True,
        log_enabled=False,
        websockets=False,
    )
    server.on_startup(lambda: announce(_start_up_line(settings)))  # called once the port is ours
    server.serve(target_loader=application, wrap_loader=False)


def _require_free(address: str, port: int) -> None:
    """Check that nobody listens there: granian shares a port with another one of its kind without a word."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            reason = "is in use by another program" if error.errno == errno.EADDRINUSE else error.strerror
            raise ConfigurationError(f"CADENCE_PORT {port} on {address} {reason}. Set another, or end it.") from None


def _once(announce: Callable[[str], None]) -> Callable[[str], None]:
    """The same for the first line only, also when a second process serves because the first one died."""
    told = mmap.mmap(-1, 1)  # anonymous memory, shared with every process that is forked from this one

    def announce_once(line: str) -> None:
        if not told[0]:
            told[0] = 1
            announce(line)

    return announce_once


def _application(settings: Settings, supervisor: int, announce_sandbox: Callable[[str], None]) -> Any:
    """Make the application, in the process that serves."""
    # Killed with the supervisor, even by SIGKILL: a server without one would hold the port and its workers for ever.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor:
        os._exit(1)
    app = create_app(settings)
    parts: Parts = app.extensions[EXTENSION]
    # Only a process that serves knows: it has the zygote, which finds out while it warms up.
    parts.start(serve=True, announce=announce_sandbox)
    return app


def _start_up_line(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    shown = "localhost" if settings.host == "127.0.0.1" else host
    return f"Cadence is on http://{shown}:{settings.port}  ·  instance {settings.instance}  ·  Ctrl-C ends it"
