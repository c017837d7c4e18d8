"""The part of a trial in which a plugin's examples are tried, in its worker."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

from cadence_sdk._runtime import wire
from cadence_sdk._runtime.loader import LoadedPlugin
from cadence_sdk._runtime.report import Fault
from cadence_sdk._runtime.self_test import SelfTest, Watch, faults_of, too_many


def try_examples(plugin: LoadedPlugin, spec: wire.WorkerSpec, began: float, channel: socket.socket) -> bool:
    """Whether every example came to what is expected; if not, the server has been told.

    When one takes too long, another thread tells the server, and the process ends: what runs cannot be ended alone.

    :param began: when the worker began to load, by :func:`time.monotonic`.
    :raises RuntimeError: when there can be no such thread.
    """
    tools = plugin.tools.values()
    if spec.examples_seconds is None or not any(tool.examples for tool in tools):
        return True
    faults = too_many(tools) or _tried(plugin, spec, began + spec.examples_seconds, channel)
    if faults:
        _tell(plugin, faults, channel)
    return not faults


def _tried(plugin: LoadedPlugin, spec: wire.WorkerSpec, until: float, channel: socket.socket) -> tuple[Fault, ...]:
    test = SelfTest(plugin.tools.values(), plugin.wait, Path(spec.package), spec.limits)

    def overrun(seconds: float) -> None:
        try:
            with contextlib.suppress(OSError):  # the server is gone
                _tell(plugin, faults_of(test.overrun(seconds)), channel)
        finally:
            os._exit(1)

    watch = Watch(spec.limits.call_seconds, until - time.monotonic(), overrun)
    results = test.run(watch)
    if not watch.end():
        threading.Event().wait()  # the other thread ends the process
    return faults_of(results)


def _tell(plugin: LoadedPlugin, faults: tuple[Fault, ...], channel: socket.socket) -> None:
    channel.sendall(wire.frame(wire.Loaded(faults=faults, requests=plugin.report.metadata.requests)))
