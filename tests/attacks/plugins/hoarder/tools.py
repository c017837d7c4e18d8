"""Takes memory, up to an amount that a host survives, and holds it for a while before it answers."""

import ctypes
import gc
import mmap
import os
import time

from cadence_sdk import tool

MIB = 1024 * 1024
_ANONYMOUS = mmap.MAP_ANONYMOUS
_GROWS_DOWN = 0x0100
_held: list[object] = []
_libc = ctypes.CDLL(None, use_errno=True)


def _hold(seconds: float) -> None:
    time.sleep(seconds)


def _touched(memory: "bytearray | mmap.mmap") -> object:
    for at in range(0, len(memory), mmap.PAGESIZE):
        memory[at] = 1
    return memory


@tool
def one_piece(mib: int, seconds: float) -> None:
    """All at once."""
    _held.append(_touched(bytearray(mib * MIB)))
    _hold(seconds)


@tool
def small_pieces(mib: int, seconds: float) -> None:
    """Bit by bit."""
    _held.append([bytes([index % 251]) * 1024 for index in range(mib * 1024)])
    _hold(seconds)


@tool
def shared(mib: int, seconds: float) -> None:
    """As memory to share with children."""
    for _ in range(mib // 10):
        _held.append(_touched(mmap.mmap(-1, 10 * MIB, flags=mmap.MAP_SHARED | _ANONYMOUS)))
    _hold(seconds)


@tool
def memory_files(mib: int, seconds: float) -> None:
    """As files that are in memory only (memfd_create(2))."""
    for index in range(mib // 10):
        descriptor = os.memfd_create(f"piece-{index}")
        os.write(descriptor, bytes(10 * MIB))
        _held.append(descriptor)
    _hold(seconds)


@tool
def mapped_memory_files(mib: int, seconds: float) -> None:
    """As such files, written by way of memory."""
    for index in range(mib // 10):
        descriptor = os.memfd_create(f"piece-{index}")
        os.ftruncate(descriptor, 10 * MIB)
        _held.append(_touched(mmap.mmap(descriptor, 10 * MIB)))
        os.close(descriptor)
    _hold(seconds)


@tool
def as_stack(mib: int, seconds: float) -> None:
    """As a stack that grows downwards, which not every limit counts."""
    flags = mmap.MAP_PRIVATE | _ANONYMOUS | _GROWS_DOWN
    _held.append(_touched(mmap.mmap(-1, mib * MIB, flags=flags)))
    _hold(seconds)


@tool
def private_file(mib: int, seconds: float) -> None:
    """As a private copy of a file."""
    with open("template", "wb") as template:
        template.truncate(10 * MIB)
    with open("template", "r+b") as template:
        for _ in range(mib // 10):
            _held.append(_touched(mmap.mmap(template.fileno(), 10 * MIB, flags=mmap.MAP_PRIVATE)))
    _hold(seconds)


@tool
def by_break(mib: int, seconds: float) -> None:
    """By moving the end of the data segment (brk(2))."""
    _libc.sbrk.restype = ctypes.c_void_p
    start = _libc.sbrk(ctypes.c_ssize_t(mib * MIB))
    if start == ctypes.c_void_p(-1).value:
        raise MemoryError("the data segment does not grow")
    ctypes.memset(start, 1, mib * MIB)
    _hold(seconds)


@tool
def release() -> None:
    """Give it back."""
    for one in _held:
        if isinstance(one, int):
            os.close(one)
        elif isinstance(one, mmap.mmap):
            one.close()
    _held.clear()
    gc.collect()


TOOLS = [one_piece, small_pieces, shared, memory_files, mapped_memory_files, as_stack, private_file, by_break, release]
