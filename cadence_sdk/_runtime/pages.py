"""Memory pages that a forked process will write to: found once, then made its own ahead of time.

After ``fork`` two processes share every page until one of them writes to it; then the kernel copies it, one page fault
at a time. Which pages the loading of a plugin writes to hardly depends on the plugin. So one forked process tries it,
and in every later one the kernel copies these pages, and no others, before anybody waits for it.
"""

import array
import ctypes
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_MADV_POPULATE_WRITE = 23  # linux/mman.h, since Linux 5.14
# Bits of an entry of /proc/PID/pagemap (Linux, Documentation/admin-guide/mm/pagemap.rst), and its size.
_PRESENT, _OF_FILE, _EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56
_ENTRY_BYTES = 8
_madvise = ctypes.CDLL(None, use_errno=True).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class Pages(NamedTuple):
    """Neighbouring pages: address of the first and size of all, in bytes."""

    address: int
    size: int


def written_by(work: Callable[[], object]) -> tuple[Pages, ...]:
    """Fork, do some work in the child, and say which pages of its parent it wrote to.

    To be called while there is one thread. Where the work fails or the kernel does not tell, there are none.
    """
    try:
        places = list(_writable())
    except OSError:  # no /proc here
        return ()
    # Shared with the child, and made before: what the child would need to tell it would count as written to.
    entries = mmap.mmap(-1, sum(map(len, places)) * _ENTRY_BYTES)
    pid = os.fork()
    if pid == 0:
        try:
            pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)  # before the work, which may be to give up such rights
            work()
            _copy_entries(pagemap, places, memoryview(entries))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return tuple(_own(places, array.array("Q", entries[:])))


def make_own(found: Sequence[Pages]) -> bool:
    """Have the kernel copy these pages, as far as they are shared; what they hold stays the same.

    :returns: whether it could; older kernels cannot do it ahead of time.
    """
    # One by one: a range that is no longer mapped does not keep the others from it.
    outcomes = [_madvise(address, size, _MADV_POPULATE_WRITE) for address, size in found]
    return 0 in outcomes


def _writable() -> Iterator[range]:
    """The addresses of the pages of each private mapping that can be written to."""
    with Path("/proc/self/maps").open() as maps:
        for line in maps:
            addresses, permissions = line.split()[:2]
            if permissions.startswith("rw") and permissions.endswith("p"):
                start, _, end = addresses.partition("-")
                yield range(int(start, 16), int(end, 16), mmap.PAGESIZE)


def _copy_entries(pagemap: int, places: list[range], into: memoryview) -> None:
    # By system calls alone: what this writes to itself is found too.
    at = 0
    for place in places:
        size = len(place) * _ENTRY_BYTES
        os.preadv(pagemap, [into[at : at + size]], place.start // mmap.PAGESIZE * _ENTRY_BYTES)
        at += size


def _own(places: list[range], entries: Sequence[int]) -> Iterator[Pages]:
    """The pages of these places that were shared with no other process, by the entries for them."""
    run: Pages | None = None
    for address, entry in zip((page for place in places for page in place), entries, strict=True):
        if not (entry & _PRESENT and entry & _EXCLUSIVE) or entry & _OF_FILE:
            continue
        if run is not None and run.address + run.size == address:
            run = Pages(run.address, run.size + mmap.PAGESIZE)
            continue
        if run is not None:
            yield run
        run = Pages(address, mmap.PAGESIZE)
    if run is not None:
        yield run
