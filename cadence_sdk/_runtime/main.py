"""The worker: loads one plugin, says what it found, then answers requests until it is told to stop.

Several threads serve one channel by turns (leader and followers): the leader waits for a request, hands the lead to
another thread and runs the request itself, so that a tool that takes its time never keeps others waiting and a quick
one is answered without a switch of threads. ``async`` tools run on one event loop in a thread of its own.
"""

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from cadence_sdk._runtime import wire
from cadence_sdk._runtime.failure import describe
from cadence_sdk._runtime.loader import LoadedPlugin, LoadFailed, load
from cadence_sdk._runtime.report import Fault
from cadence_sdk._runtime.tools import ArgumentsInvalid, to_json

MAX_THREADS = 32


def run(spec: wire.WorkerSpec, channel: socket.socket) -> None:
    """Load the plugin and serve it; returns when the server said stop or went away."""
    _log_to_standard_error()
    try:
        plugin = load(Path(spec.package), spec.name, spec.version, trial=spec.trial)
    except LoadFailed as failure:
        channel.sendall(wire.frame(wire.Loaded(faults=failure.faults)))
        return
    channel.sendall(_loaded(plugin, spec))
    _Server(plugin, channel, spec.max_message_bytes).serve()
    plugin.close()
    os._exit(0)


def _log_to_standard_error() -> None:
    """Make standard output and error new text files over the log pipe, which write each line at once.

    Those inherited from the zygote remember whether *its* output could seek.
    """
    sys.stdout = sys.__stdout__ = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def _loaded(plugin: LoadedPlugin, spec: wire.WorkerSpec) -> bytes:
    message = wire.frame(wire.Loaded(report=plugin.report))
    if len(message) <= spec.max_message_bytes:
        return message
    words = f"The plugin describes itself in {len(message)} bytes; at most {spec.max_message_bytes} are allowed."
    return wire.frame(wire.Loaded(faults=(Fault("trial", "report_too_large", words),)))


class _Server:
    """Answers the requests that come through one channel."""

    def __init__(self, plugin: LoadedPlugin, channel: socket.socket, max_bytes: int) -> None:
        self._plugin = plugin
        self._channel = channel
        self._max_bytes = max_bytes
        self._reader = wire.FrameReader(max_bytes)
        self._lead = threading.Lock()
        self._sending = threading.Lock()
        self._counting = threading.Lock()
        self._threads = 1
        self._waiting = 0
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def serve(self) -> None:
        """Serve until the end; called in the main thread, which starts others when they are needed."""
        while (request := self._next_request()) is not None:
            self._answer(request)

    def _next_request(self) -> wire.Call | wire.CheckHealth | None:
        with self._counting:
            self._waiting += 1
        with self._lead:
            request = None if self._stopped else self._receive()
            if request is None:
                self._stopped = True
            with self._counting:
                self._waiting -= 1
                short = request is not None and not self._waiting and self._threads < MAX_THREADS
                self._threads += short
            if short:
                threading.Thread(target=self.serve, daemon=True).start()
        return request

    def _receive(self) -> wire.Call | wire.CheckHealth | None:
        while (body := self._reader.next()) is None:
            if not self._reader.read(self._channel):
                return None
        request = wire.decode_request(body)
        return None if isinstance(request, wire.Stop) else request

    def _answer(self, request: wire.Call | wire.CheckHealth) -> None:
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
                reply = _failure(request.id, error)
            self._send(reply)

    async def _call_async(self, request: wire.Call) -> None:
        try:
            value = await self._plugin.tools[request.tool].acall(request.args)
            reply: wire.Result | wire.Failed = wire.Result(request.id, to_json(value))
        except BaseException as error:  # noqa: BLE001  (see above)
            reply = _failure(request.id, error)
        self._send(reply)

    def _start(self, call: Coroutine[Any, Any, None]) -> None:
        with self._counting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(call, self._loop)

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


def _failure(id_: int, error: BaseException) -> wire.Failed:
    if isinstance(error, ArgumentsInvalid):
        return wire.Failed(id_, "arguments", tuple(error.sentences))
    return wire.Failed(id_, "raised", (describe(error),))
