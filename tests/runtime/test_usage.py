"""What a plugin takes is what the kernel counts of its processes, and its files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.runtime.usage import Meter, Usage, family
from cadence.runtime.worker import Worker
from tests.runtime.house import House, eventually, with_ping

MIB = 1024 * 1024
PLENTY = 1024 * MIB

GREEDY = with_ping(
    """
    kept: list[object] = []

    @tool
    def take(mib: int) -> int:
        \"\"\"Take memory.\"\"\"
        kept.append(bytearray(b"x" * (mib * 1024 * 1024)))
        return mib

    @tool
    def open_some(count: int) -> int:
        \"\"\"Open files.\"\"\"
        kept.extend(open("/dev/null") for _ in range(count))
        return count

    @tool
    def begin_threads(count: int) -> int:
        \"\"\"Begin threads that wait.\"\"\"
        import threading
        for _ in range(count):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        return count

    @tool
    def write(mib: int) -> int:
        \"\"\"Write into its data.\"\"\"
        import os, pathlib
        pathlib.Path(os.environ["HOME"], "file").write_bytes(b"x" * (mib * 1024 * 1024))
        return mib

    @tool
    def burn(seconds: float) -> float:
        \"\"\"Use the processor.\"\"\"
        import time
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        return seconds
""",
    *("take", "open_some", "begin_threads", "write", "burn"),
)

MINE = "demo_plugin"


@pytest.fixture
def greedy(house: House) -> House:
    """A house with a plugin that takes what it is told to."""
    house.install(GREEDY)
    house.call("ping")
    return house


def worker_of(house: House) -> Worker:
    slot = house.live_set.places.find(MINE)
    assert slot is not None
    assert slot.worker is not None
    return slot.worker


def look(house: House, meter: Meter | None = None) -> Usage:
    return (meter or Meter()).look(worker_of(house), house.meeting_place(), PLENTY)


def test_memory_files_and_threads_that_a_plugin_takes_are_seen(greedy: House) -> None:
    before = look(greedy)
    greedy.call("take", mib=40)
    greedy.call("open_some", count=25)
    greedy.call("begin_threads", count=6)
    after = look(greedy)
    assert 39 * MIB <= after.memory_bytes - before.memory_bytes < 60 * MIB
    assert before.open_files is not None
    assert after.open_files is not None
    assert after.open_files - before.open_files >= 25
    assert before.threads is not None
    assert after.threads is not None
    # Calls run in threads of their own; one that was there before may have gone meanwhile.
    assert after.threads - before.threads >= 5
    assert after.processes == 0


def test_what_it_keeps_on_the_disk_is_seen_also_while_it_sleeps(greedy: House) -> None:
    before = look(greedy).disk_bytes
    greedy.call("write", mib=5)
    after = look(greedy).disk_bytes
    assert before is not None
    assert after is not None
    assert 5 * MIB <= after - before < 6 * MIB
    asleep = Meter().look(None, greedy.meeting_place(), PLENTY)
    assert asleep.disk_bytes is not None
    assert asleep.disk_bytes >= 5 * MIB
    assert (asleep.memory_bytes, asleep.cpu_percent, asleep.threads, asleep.open_files) == (0, 0.0, 0, 0)


def test_temporary_files_count_as_disk(greedy: House) -> None:
    before = look(greedy).disk_bytes
    (folder,) = worker_of(greedy).writable
    (folder / "file").write_bytes(b"x" * MIB)
    after = look(greedy).disk_bytes
    assert before is not None
    assert after is not None
    assert after - before >= MIB


def test_processor_time_counts_since_the_look_before(greedy: House) -> None:
    meter = Meter()
    look(greedy, meter)
    greedy.call("burn", seconds=0.2)
    busy = look(greedy, meter)
    assert busy.cpu_percent > 0
    # Nothing was asked of it meanwhile, however long that took.
    assert eventually(lambda: (now := look(greedy, meter)).cpu_percent < busy.cpu_percent and now)


def test_an_ended_worker_takes_nothing(greedy: House) -> None:
    worker = worker_of(greedy)
    worker.kill("the test wants it")
    worker.ended.wait(30)
    usage = Meter().look(worker, greedy.meeting_place(), PLENTY)
    assert (usage.memory_bytes, usage.processes, usage.threads) == (0, 0, 0)


def test_a_folder_that_cannot_be_looked_into_is_told_and_no_error(
    greedy: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path) == str(greedy.meeting_place()):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    usage = look(greedy)
    assert usage.disk_bytes is None
    assert "cannot be looked into" in usage.disk_words


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process with a child that has a child."""
    code = '''
import subprocess, sys
inner = """
import subprocess
one = subprocess.Popen(['cat'], stdin=subprocess.PIPE)
print(one.pid, flush=True)
one.wait()
"""
child = subprocess.Popen([sys.executable, "-c", inner], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline().strip(), flush=True)
sys.stdin.readline()
child.kill()
'''
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.communicate("over")


def test_without_a_group_descendants_are_found_one_by_one(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    children = {int(pid) for pid in parent.stdout.readline().split()}
    assert len(children) == 2
    assert set(family(parent.pid, ())) == {parent.pid, *children}
    assert family(parent.pid, (parent.pid,))[0] == parent.pid
    assert family(parent.pid, (7, parent.pid, 9)) == (parent.pid, 7, 9)


def test_a_process_that_is_gone_has_no_family(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], cwd=tmp_path)
    process.wait()
    assert family(process.pid, ()) == (process.pid,)
