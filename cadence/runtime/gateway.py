"""The way of plugins to the network: makes the connections that workers ask for, as far as they were granted.

A worker cannot connect by itself. Its ``connect`` waits in the kernel (see
:mod:`cadence_sdk._runtime.lockdown.connect`) while the server copies the address out of it, decides, connects a socket
of its own to the very address it decided on, and puts that in place of the worker's. So nothing the worker changes
meanwhile, its memory or its descriptors, makes a difference to what is connected, and not a byte is relayed. The price:
a name is looked up and connected to before ``connect`` returns, also where the socket is non-blocking, and options that
were set on the socket before are lost.

One thread listens to all workers; each connect that is worked on has a thread while it is, and there is a bound for one
worker and one for all. A worker at its bound, or ahead of its pace, waits: its connects stay in the kernel.
"""

import contextlib
import errno
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from msgspec import Struct

from cadence.runtime import notification
from cadence.runtime.destination import (
    MAX_ADDRESS_BYTES,
    Destination,
    Destinations,
    Refused,
    Resolve,
    Unresolved,
    parse,
)
from cadence.runtime.notification import Caller, Notification, Target
from cadence_sdk._runtime.endpoint import Endpoint, IPAddress

log = logging.getLogger(__name__)

#: The largest address that ``connect`` takes, in bytes: ``struct sockaddr_storage``.
_MAX_STORAGE_BYTES = 128
#: How many different sentences a worker can have written into its plugin's log.
_MAX_NOTES = 100


class GatewayLimits(Struct, frozen=True):
    """How much of the server one worker's connects may take.

    ``connect_seconds`` is how long one may take, beside looking its name up; ``at_once`` how many of one worker are
    worked on at a time, ``at_once_together`` how many of all. ``per_second`` is how many a worker may make in the long
    run, ``burst`` how many before that counts.
    """

    connect_seconds: float = 10.0
    at_once: int = 8
    at_once_together: int = 64
    per_second: float = 50.0
    burst: int = 200


class _Worker:
    """One worker: its listener, what it may reach, and how much it has asked for. Guarded by the gateway's lock."""

    def __init__(
        self, listener: int, destinations: Destinations, note: Callable[[str], None], limits: GatewayLimits
    ) -> None:
        self.listener = listener
        self.destinations = destinations
        self.running = 0
        self.gone = False
        self._note = note
        self._noted: set[str] = set()
        self._limits = limits
        self._allowance = float(limits.burst)
        self._counted_at = time.monotonic()

    def seconds_ahead(self) -> float:
        """How long it has to wait before its next connect; 0 if not at all."""
        now = time.monotonic()
        earned = (now - self._counted_at) * self._limits.per_second
        self._allowance = min(float(self._limits.burst), self._allowance + earned)
        self._counted_at = now
        return max(0.0, (1.0 - self._allowance) / self._limits.per_second)

    def count(self) -> None:
        """It made a connect."""
        self._allowance -= 1.0

    def note(self, words: str) -> None:
        """Write a sentence into the plugin's log, unless it stands there already."""
        if words in self._noted or len(self._noted) > _MAX_NOTES:
            return
        self._noted.add(words)
        full = len(self._noted) > _MAX_NOTES
        self._note("further refusals of network access are not written" if full else words)


class Gateway:
    """Answers the connects of all workers that were granted some.

    :param resolve: looks names up; :func:`socket.getaddrinfo`.
    """

    def __init__(self, resolve: Resolve = socket.getaddrinfo, limits: GatewayLimits | None = None) -> None:
        self._resolve = resolve
        self._limits = limits or GatewayLimits()
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._workers: dict[int, _Worker] = {}
        self._running = 0
        self._closing = False
        self._thread: threading.Thread | None = None

    def attach(self, listener: int, endpoints: tuple[Endpoint, ...], note: Callable[[str], None]) -> None:
        """Answer the connects that come by a worker's listener, until the worker and all it started have ended.

        :param listener: its descriptor, which the gateway owns from now on, also when it is closed already.
        :param endpoints: what the worker may connect to.
        :param note: writes a sentence into the plugin's log; called from other threads, once for each refusal.
        """
        worker = _Worker(listener, Destinations(endpoints, self._resolve), note, self._limits)
        with self._lock:
            if self._closing:
                os.close(listener)
                return
            self._workers[listener] = worker
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="gateway", daemon=True)
                self._thread.start()
            self._wake_up()

    def connect(self, granted: tuple[Endpoint, ...], endpoint: Endpoint, seconds: float) -> socket.socket:
        """Connect to an endpoint as for a worker with these grants; the caller closes the socket.

        :param seconds: how long that may take, beside looking its name up; a worker's connect has ``connect_seconds``.
        :raises Refused: when it was not granted (``NotGranted``), or leads to what was not.
        :raises Unresolved: when its name leads nowhere.
        :raises OSError: when it cannot be connected to; TimeoutError when that takes too long.
        """
        destinations = Destinations(granted, self._resolve)
        ways = destinations.ways(endpoint)
        deadline = time.monotonic() + min(seconds, self._limits.connect_seconds)
        errors: list[Exception] = []
        for left, way in zip(range(len(ways), 0, -1), ways, strict=True):
            try:
                return _connect(destinations, way, (deadline - time.monotonic()) / left)
            except (Refused, OSError) as error:
                errors.append(error)
        # Where one way is granted and another is not, what became of the first tells more.
        raise next((error for error in errors if isinstance(error, OSError)), errors[0])

    def close(self) -> None:
        """Answer no more: connects fail with ENOSYS. Those that are worked on are finished."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._wake_up()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            for worker in list(self._workers.values()):
                self._drop(worker)
            os.close(self._wake)
            self._wake = -1

    def _listen(self) -> None:
        while not self._closing:
            poller, timeout = self._interests()
            events = dict(poller.poll(timeout))
            with self._lock:
                self._rest()
                # Those with the least under way first, so that one that is busy does not starve the others.
                ready = [self._workers[fd] for fd in events if fd in self._workers]
                for worker in sorted(ready, key=lambda worker: worker.running):
                    if events[worker.listener] & select.POLLIN:
                        self._take(worker)
                    else:
                        self._drop(worker)

    def _interests(self) -> tuple[select.poll, float | None]:
        """What to wait for: of a worker at its bound only the end. And how long, in milliseconds."""
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        pauses = []
        with self._lock:
            for worker in self._workers.values():
                pause = worker.seconds_ahead()
                if pause:
                    pauses.append(pause)
                poller.register(worker.listener, 0 if pause or self._is_busy(worker) else select.POLLIN)
        return poller, min(pauses) * 1000 + 1 if pauses else None

    def _is_busy(self, worker: _Worker) -> bool:
        return worker.running >= self._limits.at_once or self._running >= self._limits.at_once_together

    def _take(self, worker: _Worker) -> None:
        """Take a worker's next connect and have a thread work on it."""
        if self._is_busy(worker):
            return
        try:
            asked = notification.receive(worker.listener)
        except OSError:
            log.exception("a worker's connections cannot be answered")
            self._drop(worker)
            return
        if asked is None:
            return
        worker.count()
        worker.running += 1
        self._running += 1
        thread = threading.Thread(target=self._work, args=(worker, asked), name="connect", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the host gives no thread, or the interpreter is ending
            self._answer(worker, asked, errno.EAGAIN)
            self._finish(worker)

    def _work(self, worker: _Worker, asked: Notification) -> None:
        error = errno.EACCES
        try:
            error = self._carry_out(worker, asked)
        except Exception:
            # Whatever a worker made go wrong here, it is refused, and the others do not notice.
            log.exception("a worker's connect went wrong")
        finally:
            self._answer(worker, asked, error)
            with self._lock:
                self._finish(worker)

    def _carry_out(self, worker: _Worker, asked: Notification) -> int:
        """Do what was asked, and return the errno of it: 0 when the worker's socket is connected."""
        try:
            with Caller(asked.pid) as caller:
                if not notification.is_waiting(worker.listener, asked.id):  # the folder may be another's
                    return errno.EINTR
                destination, target = _read(caller, asked)
                if not notification.is_waiting(worker.listener, asked.id):
                    return errno.EINTR
                with _connect(worker.destinations, destination, self._limits.connect_seconds) as connection:
                    if not caller.is_still(asked.fd, target):
                        return errno.EBADF
                    connection.setblocking(not target.nonblocking)
                    notification.replace(
                        worker.listener, asked, connection.fileno(), close_on_exec=target.close_on_exec
                    )
            return 0
        except Refused as refusal:
            self._note(worker, str(refusal))
            return errno.EACCES
        except Unresolved as failure:
            self._note(worker, str(failure))
            return errno.EHOSTUNREACH
        except TimeoutError:
            return errno.ETIMEDOUT
        except OSError as error:
            return error.errno or errno.EACCES

    def _note(self, worker: _Worker, words: str) -> None:
        with self._lock:
            worker.note(words)

    def _answer(self, worker: _Worker, asked: Notification, error: int) -> None:
        with contextlib.suppress(OSError):  # it is gone
            notification.answer(worker.listener, asked.id, error)

    def _finish(self, worker: _Worker) -> None:
        """A connect is over; the lock is held."""
        was_busy = self._is_busy(worker)
        worker.running -= 1
        self._running -= 1
        if worker.gone and not worker.running:
            os.close(worker.listener)
        if was_busy:
            self._wake_up()

    def _drop(self, worker: _Worker) -> None:
        """Listen to a worker no more; the lock is held. Its listener is closed once no thread uses its number."""
        del self._workers[worker.listener]
        worker.gone = True
        if not worker.running:
            os.close(worker.listener)

    def _wake_up(self) -> None:
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def _rest(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)


def _read(caller: Caller, asked: Notification) -> tuple[Destination, Target]:
    """What the caller wants connected, and to where.

    :raises OSError: with the errno of ``connect``.
    :raises Refused: when it is not an address of IP, or the server may not look into the worker.
    """
    if not 0 <= asked.address_bytes <= _MAX_STORAGE_BYTES:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    try:
        target = caller.socket(asked.fd)
        data = caller.memory(asked.address_at, min(asked.address_bytes, MAX_ADDRESS_BYTES))
        destination = parse(data)
    except PermissionError as error:
        if error.filename is None:
            raise
        # Files in /proc: see ptrace(2), "Ptrace access mode checking".
        raise Refused("network access is refused: the server may not look into its workers (CAP_SYS_PTRACE)") from None
    except ValueError:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None
    if isinstance(destination, int):
        raise Refused(f"network access by address family {destination} is not granted")
    return destination, target


def _connect(destinations: Destinations, destination: Destination, seconds: float) -> socket.socket:
    """A socket that is connected to the first address of a destination that answers.

    :param seconds: how long that may take, beside looking its name up.
    :raises Refused: when it was not granted, or leads to what was not.
    :raises Unresolved: when its name leads nowhere.
    :raises OSError: when none answers.
    """
    addresses = destinations.addresses(destination)
    deadline = time.monotonic() + seconds
    for left in range(len(addresses), 0, -1):
        try:
            return _connected(addresses[-left], destination.port, (deadline - time.monotonic()) / left)
        except OSError:
            if left == 1:
                raise
    raise AssertionError("unreachable")


def _connected(address: IPAddress, port: int, seconds: float) -> socket.socket:
    """A socket that is connected to an address.

    :raises OSError: when that fails.
    :raises TimeoutError: when it takes longer than ``seconds``.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(max(seconds, 0.001))
        connection.connect((str(address), port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except BaseException:
        connection.close()
        raise
    return connection
