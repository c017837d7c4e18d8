"""Answers the requests that come through a worker's channel, any number at once.

The thread that reads a request runs it too (it *leads*), so that a quick tool is answered without a switch of
threads, which would cost more than all the rest. Another thread stands by. As long as there are calls it looks every
:data:`LOOK_SECONDS` whether the same one is still running; then it takes the lead, and whoever was relieved ends with
its call. A tool that was slow the last time gives the lead away before it runs. ``async`` tools run on one event loop
in a thread of its own.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cadence_sdk._runtime import wire
from cadence_sdk._runtime.exhaustion import end_out_of, is_out_of_memory, named_limits, tell
from cadence_sdk._runtime.failure import describe
from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.loader import LoadedPlugin
from cadence_sdk._runtime.routing import AnswerInvalid
from cadence_sdk._runtime.self_test import SelfTest, Watch
from cadence_sdk._runtime.timer import Timer
from cadence_sdk._runtime.tools import ArgumentsInvalid, to_json

#: How often the thread that stands by looks; a call keeps others waiting for at most twice as long.
LOOK_SECONDS = 0.005
#: Calls of tools that are not ``async`` that run at once; more wait.
MAX_THREADS = 64


class Server:
    """Serves one plugin through one channel.

    :param folder: the plugin's files, to say where in them an exception was raised.
    :param max_bytes: the largest message.
    :param limits: what the plugin is under; a failure that comes of one names it.
    :param full: whether it may only read and delete in its data directory.
    """

    def __init__(
        self,
        plugin: LoadedPlugin,
        folder: Path,
        channel: socket.socket,
        max_bytes: int,
        limits: Limits,
        *,
        full: bool = False,
    ) -> None:
        self._plugin = plugin
        self._folder = folder
        self._channel = channel
        self._max_bytes = max_bytes
        self._limits = limits
        self._full = full
        self._reader = wire.FrameReader(max_bytes)
        self._sending = threading.Lock()
        self._guard = threading.Lock()
        self._leader = object()
        self._busy = False
        self._calls = 0
        self._calls_seen = 0
        self._watched = False
        self._running = ""
        self._slow: set[str] = set()
        self._given_away = False
        self._threads = 1
        self._timer = Timer(LOOK_SECONDS)
        self._ended = threading.Event()

    def serve(self) -> None:
        """Serve until told to stop, or until the server is gone. Where that fails, the process ends."""
        with self._ending_process():
            self._start_standby()
            self._lead(self._leader)
        self._ended.wait()

    @contextmanager
    def _ending_process(self) -> Iterator[None]:
        """End the process when what serves, and is not the plugin's, fails: else calls would wait for nobody."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001  (whatever it is, nobody would serve any more)
            end_out_of(error, self._limits)

    def _lead(self, me: object) -> None:
        """Read and run requests until the end, or until relieved."""
        while True:
            request = self._receive()
            if request is None:
                self._ended.set()
                return
            tool = request.tool if isinstance(request, wire.Call) else ""
            self._begin(tool)
            started = time.monotonic()
            self._answer(request)
            if not self._end(tool, time.monotonic() - started, me):
                return

    def _begin(self, tool: str) -> None:
        with self._guard:
            self._busy, self._running = True, tool
            self._calls += 1
            self._given_away = tool in self._slow
            if self._given_away:
                self._timer.fire()
            elif not self._watched:  # not anew for each call: setting a timer can cost more than the call
                self._watched = True
                self._timer.arm()

    def _end(self, tool: str, seconds: float, me: object) -> bool:
        """A call is over, after so many seconds; whether this thread still leads."""
        with self._guard:
            if self._leader is me:
                self._busy = False
                return True
            self._threads -= 1
            if seconds < LOOK_SECONDS:
                self._slow.discard(tool)
            return False

    def _start_standby(self) -> None:
        threading.Thread(target=self._stand_by, name="standby", daemon=True).start()

    def _stand_by(self) -> None:
        me = object()
        with self._ending_process():
            while not self._takes_over(me):
                pass
            self._start_standby()
            self._lead(me)

    def _takes_over(self, me: object) -> bool:
        """Sleep until it is time to look; whether this thread leads from now on."""
        self._timer.wait()
        with self._guard:
            slow = self._busy and (self._given_away or self._calls == self._calls_seen)
            if slow:
                self._slow.add(self._running)
            if slow and self._threads < MAX_THREADS:
                self._leader, self._busy, self._watched = me, False, False
                self._threads += 1
                return True
            self._watched = self._busy or self._calls != self._calls_seen
            self._calls_seen = self._calls
            if self._watched:
                self._timer.arm()
            return False

    def _receive(self) -> wire.Question | None:
        while (body := self._reader.next()) is None:
            try:
                open_ = wire.read_soon(self._reader, self._channel) or self._reader.read(self._channel)
            except OSError:
                open_ = False
            if not open_:
                return None
        request = wire.decode_request(body)
        return None if isinstance(request, wire.Stop) else request

    def _answer(self, request: wire.Question) -> None:
        if isinstance(request, wire.Call):
            self._call(request)
        elif isinstance(request, wire.CheckHealth):
            self._send(wire.Health(request.id, self._plugin.health()))
        elif isinstance(request, wire.SelfTest):
            self._test(request)
        else:
            self._send(self._of_agent(request))

    def _of_agent(self, request: wire.AskPrompt | wire.Route) -> wire.Reply:
        try:
            if isinstance(request, wire.AskPrompt):
                return wire.Prompted(request.id, self._plugin.prompt())
            decision = self._plugin.route(request.messages)
            return wire.Routed(request.id, "continue" if decision == "continue" else "back")
        except AnswerInvalid as error:
            return wire.Failed(request.id, "raised", (str(error),))
        except BaseException as error:  # noqa: BLE001  (also SystemExit: an agent must not end its thread)
            return self._failure(request.id, error)

    def _test(self, request: wire.SelfTest) -> None:
        test = SelfTest(self._plugin.tools.values(), self._plugin.wait, self._folder, self._limits)
        watch = Watch(request.seconds, request.seconds, partial(self._overrun, request.id, test))
        results = test.run(watch)
        if not watch.end():
            return
        reply: wire.Reply = wire.SelfTested(request.id, results)
        self._send(self._failure(request.id, test.exhausted) if test.exhausted else reply)

    def _overrun(self, id_: int, test: SelfTest, seconds: float) -> None:
        with self._ending_process():
            test.overrun(seconds)
            self._send(wire.Failed(id_, "deadline", (test.late,)))

    def _call(self, request: wire.Call) -> None:
        tool = self._plugin.tools.get(request.tool)
        if tool is None:
            self._send(wire.Failed(request.id, "unknown", (f"There is no tool {request.tool!r}.",)))
        elif tool.is_async:
            self._plugin.loop.start(self._call_async(request))
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
        with self._ending_process():
            self._send(reply)

    def _failure(self, id_: int, error: BaseException) -> wire.Failed:
        if isinstance(error, ArgumentsInvalid):
            return wire.Failed(id_, "arguments", tuple(error.sentences))
        if is_out_of_memory(error):
            # What it was doing failed somewhere in the middle: the server starts the plugin anew.
            words = describe(error, self._folder)
            tell(f"{self._limits.memory_reached}: {words}")
            return wire.Failed(id_, "memory", (words,))
        limits = named_limits(error, self._limits, full=self._full)
        return wire.Failed(id_, "raised", (describe(error, self._folder), *limits))

    def _send(self, reply: wire.Reply) -> None:
        message = wire.frame(reply)
        if len(message) > self._max_bytes + wire.HEADER_BYTES:
            words = f"The result has {len(message)} bytes; at most {self._max_bytes} are allowed."
            message = wire.frame(wire.Failed(reply.id, "too_large", (words,)))
        elif wire.too_deep(message):
            words = f"The result is nested more than {wire.MAX_NESTING} levels deep."
            message = wire.frame(wire.Failed(reply.id, "too_large", (words,)))
        try:
            with self._sending:
                self._channel.sendall(message)
        except OSError:
            # The plugin closed the channel, or the server is gone: nobody can be answered any more.
            os._exit(1)
