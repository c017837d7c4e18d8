"""The server's end of the socket to one worker: many threads' requests in flight, matched to replies by id.

No thread belongs to the channel. The first caller that has to wait reads for all (the leader); when it has its own
reply it hands the reading to another caller. A single caller so gets its reply without any switch of threads, which
is worth as much as everything else on the way of a call.

What comes in was written by a plugin. So that it costs other plugins' callers no time, a request takes one reply and no
more, what drips in is taken in every few milliseconds, and no descriptors can be passed.
"""

import contextlib
import itertools
import select
import socket
import threading
import time
from collections.abc import Callable

from cadence.runtime.messages import Malformed, decode_loaded, decode_reply
from cadence.runtime.notification import receive_listener
from cadence_sdk._runtime import wire

#: After so many reads without a whole message the rest of it is taken in only so often, in seconds. The largest message
#: that is sent as fast as it can be needs fewer.
_EAGER_READS = 1024
_DRIP_SECONDS = 0.005
#: Socket option since Linux 6.16 (asm-generic/socket.h): whether the peer may pass descriptors (SCM_RIGHTS).
_SO_PASSRIGHTS = 83


class ChannelClosed(Exception):
    """The stream ended, or broke the protocol (then the words say how)."""


class MessageTooLarge(Exception):
    """The request passes the frame limit; nothing was sent."""


class MessageTooDeep(Exception):
    """The request is nested too deeply; nothing was sent."""


class ChannelGone(ChannelClosed):
    """The stream had ended before anything was sent."""


class ReplyTimeout(Exception):
    """The deadline passed."""


class _Pending:
    """One request that waits. ``woken`` is held while there is nothing for its caller to do."""

    __slots__ = ("reply", "woken")

    def __init__(self) -> None:
        self.reply: wire.Reply | None = None
        self.woken = threading.Lock()
        self.woken.acquire()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was awake already
            self.woken.release()


class Channel:
    """Requests and replies over one stream socket.

    :param channel: the connected socket; the channel owns it.
    :param max_bytes: the largest frame taken from the worker.
    :param listener: whether the first thing to come is a listener, for :meth:`receive_listener`.
    """

    def __init__(self, channel: socket.socket, max_bytes: int, *, listener: bool = False) -> None:
        channel.setblocking(False)
        self._socket = channel
        if not listener:
            self._refuse_descriptors()
        self._max_bytes = max_bytes
        self._reader = wire.FrameReader(max_bytes)
        self._readable = select.poll()
        self._readable.register(channel, select.POLLIN)
        self._ids = itertools.count(1)
        self._last_id = 0
        self._pending: dict[int, _Pending] = {}
        #: Requests that nobody waits for any more; their replies may still come.
        self._overdue: set[int] = set()
        #: How often was read since the last whole message.
        self._reads = 0
        self._reading = threading.Lock()
        self._sending = threading.Lock()
        self._closed: str | None = None
        #: How it broke the protocol, in words, where it did.
        self.breach: str | None = None
        self._disposed = False

    def send_spec(self, spec: wire.WorkerSpec, timeout: float) -> None:
        """The first message to a worker: what it is to load.

        :raises ChannelGone: when it has ended.
        :raises ReplyTimeout: when it has not taken it within ``timeout`` seconds.
        """
        with self._sending:
            try:
                self._send_all(wire.frame(spec), time.monotonic() + timeout)
            except OSError:
                raise ChannelGone(self._closed or "it closed its channel") from None

    def receive_listener(self, timeout: float) -> int:
        """What a worker that may connect sends before it loads the plugin: by it, it asks for its connections.

        :raises ChannelClosed: when it ended without.
        :raises ReplyTimeout: after ``timeout`` seconds.
        """
        try:
            with self._reading:
                return receive_listener(self._socket, timeout)
        except TimeoutError:
            raise ReplyTimeout from None
        except OSError:
            raise ChannelClosed(self._closed or "it ended before it was locked down") from None
        finally:
            self._refuse_descriptors()

    def receive_loaded(self, timeout: float) -> wire.Loaded:
        """The first message of a worker; see :func:`~cadence.runtime.messages.decode_loaded`. Nothing may be in flight.

        :raises ChannelClosed: when it ended without one.
        :raises ReplyTimeout: after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._reading:
            while (body := self._next_frame()) is None:
                self._read(deadline)
        try:
            return decode_loaded(body)
        except Malformed as error:
            raise self._broken(str(error)) from None

    def request(self, build: Callable[[int], wire.Question], timeout: float) -> wire.Reply:
        """Send what ``build`` makes of a fresh id and wait for its reply.

        :raises ChannelGone: when the worker had ended before the request could be sent.
        :raises ChannelClosed: when it ended later, or broke the protocol.
        :raises ReplyTimeout: after ``timeout`` seconds.
        :raises MessageTooLarge: when the request is larger than a frame may be.
        :raises MessageTooDeep: when it is nested deeper than a message may be.
        """
        deadline = time.monotonic() + timeout
        pending = _Pending()
        id_ = self._send(build, pending, deadline)
        try:
            return self._await(pending, deadline)
        except BaseException:
            self._overdue.add(id_)  # first, so that its reply is at no moment one that nobody asked for
            raise
        finally:
            self._pending.pop(id_, None)
            self._promote()

    def send_stop(self) -> None:
        """Tell the worker that nothing follows; one that cannot take it any more is as good as stopped."""
        with contextlib.suppress(OSError), self._sending:
            self._socket.send(wire.frame(wire.Stop()))

    def close(self, reason: str) -> None:
        """End it: everyone who waits gets :class:`ChannelClosed` with the reason."""
        if self._closed is None:
            self._closed = reason
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for pending in list(self._pending.values()):
            pending.wake()

    def dispose(self) -> None:
        """Give the descriptor back; what the worker sent before it ended can still be read.

        The channel must be closed, so whoever holds a lock is about to leave.
        """
        with self._reading, self._sending:
            with contextlib.suppress(OSError):
                while self._reader.read(self._socket):
                    pass
            self._disposed = True
            self._socket.close()
        # Whoever left meanwhile found the lead taken and woke nobody.
        self._promote()

    def _refuse_descriptors(self) -> None:
        # Reading drops descriptors that were passed, and so closes them in the thread that reads. That can take as long
        # as a plugin likes: a socket that lingers holds the thread in the kernel, past every deadline.
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)

    def _send(self, build: Callable[[int], wire.Question], pending: _Pending, deadline: float) -> int:
        if not self._sending.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise ReplyTimeout
        try:
            id_ = self._last_id = next(self._ids)
            message = self._framed(build(id_))
            self._pending[id_] = pending
            try:
                self._send_all(message, deadline)
            except BaseException as error:
                del self._pending[id_]
                if isinstance(error, OSError):
                    raise ChannelGone(self._closed or "it closed its channel") from None
                raise
        finally:
            self._sending.release()
        return id_

    def _framed(self, request: wire.Question) -> bytes:
        try:
            message = wire.frame(request)
        except RecursionError:
            raise MessageTooDeep from None
        if len(message) > self._max_bytes + wire.HEADER_BYTES:
            raise MessageTooLarge(f"{len(message)} bytes, where at most {self._max_bytes} are allowed")
        if wire.too_deep(message):
            raise MessageTooDeep
        return message

    def _send_all(self, message: bytes, deadline: float) -> None:
        with contextlib.suppress(BlockingIOError):
            sent = self._socket.send(message)
            if sent == len(message):
                return
            message = message[sent:]
        writable = select.poll()
        writable.register(self._socket, select.POLLOUT)
        view = memoryview(message)
        while view:
            if time.monotonic() >= deadline or not writable.poll(_milliseconds(deadline)):
                # Half a frame cannot be taken back: what would follow it could not be read.
                self.close("it did not take its requests")
                raise ReplyTimeout
            with contextlib.suppress(BlockingIOError):
                view = view[self._socket.send(view) :]

    def _await(self, pending: _Pending, deadline: float) -> wire.Reply:
        while pending.reply is None:
            if self._reading.acquire(blocking=False):
                try:
                    self._lead(pending, deadline)
                finally:
                    self._reading.release()
            elif not pending.woken.acquire(timeout=max(0.0, deadline - time.monotonic())):
                raise ReplyTimeout
        return pending.reply

    def _lead(self, pending: _Pending, deadline: float) -> None:
        """Read for all until the own reply is there."""
        while pending.reply is None:
            body = self._next_frame()
            if body is None:
                self._read(deadline)
            else:
                self._deliver(body)

    def _deliver(self, body: bytes) -> None:
        try:
            reply = decode_reply(body)
        except Malformed as error:
            raise self._broken(str(error)) from None
        if not 0 < reply.id <= self._last_id:
            raise self._broken(f"a reply to request {reply.id}, which was never made")
        waiting = self._pending.get(reply.id)
        if waiting is not None and waiting.reply is None:
            waiting.reply = reply
            waiting.wake()
        elif reply.id in self._overdue:
            self._overdue.discard(reply.id)
        else:
            raise self._broken(f"a second reply to request {reply.id}")

    def _next_frame(self) -> bytes | None:
        try:
            body = self._reader.next()
        except wire.ProtocolError as error:
            raise self._broken(str(error)) from None
        if body is not None:
            self._reads = 0
        return body

    def _read(self, deadline: float) -> None:
        # Also from a channel that is closed: a worker that answers and ends has answered.
        if self._disposed:
            raise ChannelClosed(self._closed)
        # First of all: there may be something to read for ever.
        if time.monotonic() >= deadline:
            raise ReplyTimeout
        self._reads += 1
        if self._reads > _EAGER_READS:
            time.sleep(_DRIP_SECONDS)
        # A single caller looks for a moment before it sleeps; several would only take the interpreter from each other.
        elif len(self._pending) == 1 and wire.read_soon(self._reader, self._socket):
            return
        if not self._readable.poll(_milliseconds(deadline)):
            raise ReplyTimeout
        try:
            open_ = self._reader.read(self._socket)
        except BlockingIOError:
            return
        except OSError:
            open_ = False
        if not open_:
            self.close("it closed its channel")
            raise ChannelClosed(self._closed)

    def _broken(self, words: str) -> ChannelClosed:
        self.breach = self.breach or f"it broke the protocol: {words}"
        self.close(self.breach)
        return ChannelClosed(self._closed)

    def _promote(self) -> None:
        """Wake one caller that waits, to lead: whoever led is leaving."""
        if not self._pending or self._reading.locked():
            return
        for pending in list(self._pending.values()):
            if pending.reply is None:
                pending.wake()
                return


def _milliseconds(deadline: float) -> int:
    return max(0, int((deadline - time.monotonic()) * 1000) + 1)
