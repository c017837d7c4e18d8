"""Loading a plugin before there is one, so that what loading needs is at hand when it comes.

In the zygote it makes LangChain and Pydantic import what they put off, and the interpreter adapt their bytecode. In a
process forked for that it shows which memory a worker writes to, see :mod:`cadence_sdk._runtime.pages`.
"""

import asyncio
import contextlib
import gc
import os
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType

import cadence_sdk
from cadence_sdk._runtime import locality, main, pages, tool_models, wire
from cadence_sdk._runtime.loader import load, unload
from cadence_sdk._runtime.lockdown.confinement import Confinement, Lockdown
from cadence_sdk._runtime.lockdown.host import SOME_USER
from cadence_sdk._runtime.process import keep_threads_small, take_surroundings
from cadence_sdk._runtime.tools import ToolCall, to_json
from cadence_sdk.registry import get_plugin_registry

_SAMPLE = Path(__file__).with_name("sample")
_NAME = "cadence_sample"
_CALL = wire.Call(1, "repeat", {"text": "a", "times": 2})
# The interpreter adapts the code of a function once it has run some times (PEP 659), and writes to it until then.
_TIMES = 5

#: What :func:`warm_up` found: the memory that every worker writes to. Workers inherit it.
_written: tuple[pages.Pages, ...] = ()
#: Code that was made anew elsewhere; see :func:`cadence_sdk._runtime.locality.gather`.
_scattered: list[CodeType] = []


def warm_up(lockdown: Lockdown | None) -> None:
    """In the zygote, before the first fork: import what plugins use and use it, then note what a worker writes to.

    :param lockdown: what workers confine themselves by, which is rehearsed too; None where they do not.
    """
    global _written
    tool_models.install()
    main.configure_logging()
    keep_threads_small()
    be_worker = partial(_be_worker, lockdown)
    _use_what_is_rare()
    rehearse()
    gc.collect()  # what the imports left behind makes room for what is gathered
    _scattered.extend(locality.gather(locality.code_run_by(be_worker)))
    for _ in range(_TIMES):
        rehearse()
    _forget_old_names()
    gc.collect()
    gc.freeze()
    _written = pages.written_by(be_worker)


def take_memory() -> None:
    """In a fresh worker: have the memory copied that loading a plugin will write to, before it is waited for."""
    if not pages.make_own(_written):
        rehearse()


def rehearse() -> None:
    """Load the sample, call it and forget it."""
    with _without_bytecode():
        plugin = load(_SAMPLE, _NAME)
    wire.frame(wire.Loaded(report=plugin.report))
    wire.frame(wire.Result(_CALL.id, to_json(plugin.tools[_CALL.tool].call(_CALL.args))))
    unload(_NAME)
    get_plugin_registry().clear_all()


def _forget_old_names() -> None:
    """Fill the cache of attributes (Objects/typeobject.c of CPython) with those that loading asks for.

    An entry holds a reference to a name. To replace one that the imports left there is to write to that name, which
    lies anywhere: each would cost every worker a page.
    """
    sys._clear_type_cache()
    rehearse()


def _use_what_is_rare() -> None:
    """Use what few plugins need, but what takes long the first time."""

    def sample(a: int, b: float = 0.0, c: str = "", d: list[str] | None = None) -> str:
        """Say what it was given."""
        return f"{a} {b} {c} {d}"

    tool = cadence_sdk.tool(sample)
    asyncio.run(tool.ainvoke({"a": 1}))
    to_json(ToolCall(tool).call({"a": 1, "d": ["x"]}))


def _be_worker(lockdown: Lockdown | None) -> None:
    """Be a worker until the first call was answered. This process is no use after it."""
    confinement = Confinement(lockdown) if lockdown else None
    spec = wire.WorkerSpec(
        name=_NAME,
        version="1.0.0",
        package=str(_SAMPLE),
        data="/",
        temporary="/",
        max_message_bytes=1 << 20,
        env={"A": ""},
        user=SOME_USER if lockdown and lockdown.host.users else None,
    )
    ours, theirs = socket.socketpair()
    ours.sendall(wire.frame(spec) + wire.frame(_CALL) + wire.frame(wire.Stop()))
    spec = wire.decode_spec(wire.receive_frame(theirs))
    if confinement:
        confinement.apply(spec, theirs)
    take_surroundings(spec)
    with contextlib.suppress(SystemExit), _without_bytecode():  # the one by the sample's agent
        main.run(spec, theirs)


@contextlib.contextmanager
def _without_bytecode() -> Iterator[None]:
    """Have the sample compiled, as plugins are, which come without bytecode: it may have been installed with it."""
    sys.pycache_prefix = os.devnull
    try:
        yield
    finally:
        sys.pycache_prefix = None
