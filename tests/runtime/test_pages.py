"""The memory that loading a plugin writes to is found, and a later process can have it copied ahead of time."""

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from cadence_sdk._runtime import pages

COUNT = 8


def buffer() -> tuple[mmap.mmap, int]:
    """Private memory of :data:`COUNT` pages, all of them there, and its address."""
    memory = mmap.mmap(-1, COUNT * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.write(b"x" * len(memory))
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))


def found_in(memory: tuple[mmap.mmap, int], work: Callable[[], object]) -> set[int]:
    """The numbers of the buffer's pages that are said to be written to."""
    _, address = memory
    found = pages.written_by(work)
    numbers = {
        (at - address) // mmap.PAGESIZE for start, size in found for at in range(start, start + size, mmap.PAGESIZE)
    }
    return {number for number in numbers if 0 <= number < COUNT}


def test_the_pages_that_a_forked_process_writes_to_are_found() -> None:
    memory = buffer()

    def work() -> None:
        for number in (1, 2, 5):
            memory[0][number * mmap.PAGESIZE] = 0

    assert found_in(memory, work) == {1, 2, 5}
    assert memory[0][mmap.PAGESIZE] == ord("x")


def test_pages_that_are_only_read_are_not_found() -> None:
    memory = buffer()
    assert found_in(memory, lambda: sum(memory[0][:])) == set()


def test_work_that_fails_brings_no_pages() -> None:
    def work() -> None:
        raise RuntimeError

    assert pages.written_by(work) == ()


def test_pages_that_are_made_own_keep_what_they_hold() -> None:
    memory, address = buffer()
    found = (pages.Pages(address + mmap.PAGESIZE, 2 * mmap.PAGESIZE),)
    pid = os.fork()
    if pid == 0:
        made = pages.make_own(found) and memory[:] == b"x" * len(memory)
        os._exit(0 if made else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_range_that_is_gone_does_not_keep_others_from_being_made_own() -> None:
    _, address = buffer()
    assert pages.make_own((pages.Pages(1 << 46, mmap.PAGESIZE), pages.Pages(address, mmap.PAGESIZE)))
    assert not pages.make_own((pages.Pages(1 << 46, mmap.PAGESIZE),))


@pytest.mark.parametrize("confined", [True, False])
def test_what_a_worker_writes_to_is_known_after_the_warm_up(*, confined: bool) -> None:
    """Were it not, every worker would rehearse instead, and nothing else would tell."""
    script = f"""if True:
        from cadence_sdk._runtime import pages, rehearsal
        from cadence_sdk._runtime.lockdown import host
        from cadence_sdk._runtime.lockdown.confinement import Lockdown
        rehearsal.warm_up(Lockdown(host.probe(host.Host())) if {confined} else None)
        print(sum(size for _, size in rehearsal._written) // 1024, pages.make_own(rehearsal._written))
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kib, owned = done.stdout.split()
    assert owned == "True"
    assert 1024 < int(kib) < 16 * 1024
