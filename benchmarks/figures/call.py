"""One call of ``add(2, 3)``: through the live set into its worker, against LangChain's own call in one process."""

import importlib.util
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, Goal, compared
from benchmarks.sampling import Effort, Samples, block_of, interleave
from benchmarks.workbench import ARGUMENTS, MATH, RESULT, TOOL, math_plugin, packed, running, workbench
from cadence.intake.upload import receive
from cadence.model import InstallOptions
from cadence.parts import Running
from cadence_sdk._runtime import wire

_BLOCK = 50
_CHUNK_BYTES = 65536


def measure(effort: Effort) -> list[Figure]:
    """The call against LangChain's, and against the floor: bytes to another process and back."""
    samples = _samples(effort)
    return [
        compared(
            "call add(2, 3)",
            "µs",
            samples["cadence"],
            samples["langchain"],
            against="LangChain .invoke in process, no isolation",
            goal=Goal(0.2, of="ratio"),
            tail=True,
            note="Through LiveSet.call into the worker's process. MCP is not a row: its SDK is no dependency here.",
        ),
        compared(
            "  against the floor",
            "µs",
            samples["cadence"],
            samples["floor"],
            against="a socket pair's ping-pong with a forked process",
            tail=True,
        ),
    ]


def _samples(effort: Effort) -> dict[str, Samples]:
    # The echo first: a fork copies what threads hold, and the runtime has threads.
    with workbench() as folder, _echo() as ping, running(folder) as runtime:
        plugin = math_plugin(folder)
        install(runtime, plugin, folder)
        tool = in_process_tool(plugin / "tools.py")
        calls: dict[str, Callable[[], object]] = {
            "cadence": partial(runtime.live_set.call, MATH.name, TOOL, ARGUMENTS),
            "langchain": partial(tool.invoke, ARGUMENTS),
            "floor": ping,
        }
        if (runtime.live_set.call(MATH.name, TOOL, ARGUMENTS).result, tool.invoke(ARGUMENTS)) != (RESULT, RESULT):
            raise ValueError("the two sides do not answer the same")
        blocks = {name: block_of(_BLOCK, call) for name, call in calls.items()}
        return interleave(blocks, seconds=effort.seconds(8), warm_up=4)


def install(runtime: Running, plugin: Path, folder: Path) -> None:
    """Install a plugin's folder; its archive is made in ``folder``."""
    install_archive(runtime, packed(plugin, folder))


def install_archive(runtime: Running, archive: Path) -> None:
    """Install an archive."""
    with archive.open("rb") as stream:
        upload = receive(stream, archive.name, archive.parent, max_bytes=archive.stat().st_size)
    runtime.installer.install(upload, InstallOptions(force_overwrite=True))


def in_process_tool(file: Path) -> Any:
    """The plugin's own tool, imported into this process: what people call today without isolation."""
    spec = importlib.util.spec_from_file_location("benchmarked_tools", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, TOOL)


@contextmanager
def _echo() -> Iterator[Callable[[], object]]:
    """A forked process that sends back what it gets; the block is given a function that has it do so once."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            while chunk := theirs.recv(_CHUNK_BYTES):
                theirs.sendall(chunk)
        finally:
            os._exit(0)
    theirs.close()
    message = wire.frame(wire.Call(1, TOOL, dict(ARGUMENTS)))

    def ping() -> None:
        ours.sendall(message)
        ours.recv(_CHUNK_BYTES)

    try:
        yield ping
    finally:
        ours.close()
        os.waitpid(pid, 0)
