"""Answers the requests that come through a worker's channel, any number at once.

The thread that reads a request runs it too (it *leads*), so that a quick tool is answered without a switch of
threads, which would cost more than all the rest. When a call takes longer than :data:`RELIEF_SECONDS`, the thread
that stands by takes the lead, and whoever was relieved ends with its call. ``async`` tools run on one event loop in a
thread of its own.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from typing import Any

from cadence_sdk._runtime import wire
from cadence_sdk._runtime.failure import describe
from cadence_sdk._runtime.loader import LoadedPlugin
from cadence_sdk._runtime.timer import Timer
from cadence_sdk._runtime.tools import ArgumentsInvalid, to_json

#: How long a call may keep other requests waiting before another thread reads them.
RELIEF_SECONDS = 0.002
#: Calls of tools that are not ``async`` that run at once; more wait.
MAX_THREADS = 64

_Call = wire.Call | wire.CheckHealth


class Server:
    """Serves one plugin through one channel.

    :param max_bytes: the largest message.
    """

    def __init__(self, plugin: LoadedPlugin, channel: socket.socket, max_bytes: int) -> None:
        self._plugin = plugin
        self._channel = channel
        self._max_bytes = max_bytes
        self._reader = wire.FrameReader(max_bytes)
        self._sending = threading.Lock()
        self._guard = threading.Lock()
        self._leader = object()
        self._busy = False
        self._threads = 1
        self._timer = Timer(RELIEF_SECONDS)
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def serve(self) -> None:
        """Serve until told to stop, or until the server is gone."""
        self._start_standby()
        self._lead(self._leader)
        self._ended.wait()

    def _lead(self, me: object) -> None:
        """Read and run requests until the end, or until relieved."""
        while True:
            request = self._receive()
            if request is None:
                self._ended.set()
                return
            self._busy = True
            self._timer.arm()
            self._answer(request)
            with self._guard:
                if self._leader is not me:
                    self._threads -= 1
                    return
                self._busy = False

    def _start_standby(self) -> None:
        threading.Thread(target=self._stand_by, name="standby", daemon=True).start()

    def _stand_by(self) -> None:
        me = object()
        while not self._takes_over(me):
            pass
        self._start_standby()
        self._lead(me)

    def _takes_over(self, me: object) -> bool:
        """Sleep until a call has taken its time; whether this thread leads from now on."""
        self._timer.wait()
        with self._guard:
            if not self._busy:
                return False  # it was the last call for now, and is over
            if self._threads >= MAX_THREADS:
                self._timer.arm()
                return False
            self._leader, self._busy = me, False
            self._threads += 1
            return True

    def _receive(self) -> _Call | None:
        while (body := self._reader.next()) is None:
            try:
                open_ = self._reader.read(self._channel)
            except OSError:
                open_ = False
            if not open_:
                return None
        request = wire.decode_request(body)
        return None if isinstance(request, wire.Stop) else request

    def _answer(self, request: _Call) -> None:
        if isinstance(request, wire.CheckHealth):
            self._send(wire.Health(request.id, self._plugin.health()))
            return
        tool = self._plugin.tools.get(request.tool)
        if tool is None:
            self._send(wire.Failed(request.id, "unknown", (f"There is no tool {request.tool!r}.",)))
        elif tool.is_async:
            self._start(self._call_async(request))
        else:
            try:
                reply: wire.Result | wire.Failed = wire.Result(request.id, to_json(tool.call(request.args)))
            except BaseException as error:  # noqa: BLE001  (also SystemExit: a tool must not end its thread)
                reply = self._failure(request.id, error)
            self._send(reply)

    async def _call_async(self, request: wire.Call) -> None:
        try:
            value = await self._plugin.tools[request.tool].acall(request.args)
            reply: wire.Result | wire.Failed = wire.Result(request.id, to_json(value))
        except BaseException as error:  # noqa: BLE001  (see above)
            reply = self._failure(request.id, error)
        self._send(reply)

    def _start(self, call: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:  # only the leader comes here
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="event-loop", daemon=True).start()
        asyncio.run_coroutine_threadsafe(call, self._loop)

    def _failure(self, id_: int, error: BaseException) -> wire.Failed:
        if isinstance(error, ArgumentsInvalid):
            return wire.Failed(id_, "arguments", tuple(error.sentences))
        return wire.Failed(id_, "raised", (describe(error),))

    def _send(self, reply: wire.Reply) -> None:
        message = wire.frame(reply)
        if len(message) > self._max_bytes + wire.HEADER_BYTES:
            words = f"The result has {len(message)} bytes; at most {self._max_bytes} are allowed."
            message = wire.frame(wire.Failed(reply.id, "too_large", (words,)))
        elif wire.too_deep(message):
            words = f"The result is nested more than {wire.MAX_NESTING} levels deep."
            message = wire.frame(wire.Failed(reply.id, "too_large", (words,)))
        with self._sending:
            self._channel.sendall(message)
