"""What the server measures of plugins itself: disk space however it is hidden, memory where no group bounds it."""

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.errors import LimitReached
from cadence.model import Granted, Limits, PluginRef
from cadence.parts import Parts
from cadence.runtime import warden as warden_module
from cadence.runtime.cgroup import Cgroups, Group
from cadence.runtime.channel import Channel
from cadence.runtime.footprint import ENTRY_BYTES, Unmeasurable, cpu_seconds, disk_bytes, resident_bytes
from cadence.runtime.warden import Premises, Warden
from cadence.runtime.worker import Worker
from tests.runtime.house import House, eventually, with_ping

MIB = 1 << 20
PLENTY = 1 << 40

Run = Callable[[str], subprocess.Popen[str]]
Watch = Callable[[subprocess.Popen[str], Path, Limits], "Watched"]


@pytest.fixture
def running() -> Iterator[Run]:
    """Starts processes that run some code, say so, and wait."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        program = f"{textwrap.dedent(code)}\nprint('ready', flush=True)\nimport sys; sys.stdin.readline()"
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


# Disk space


def test_every_entry_counts_at_least_a_block_and_larger_ones_what_they_take(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for number in range(10):
        (tmp_path / "folder" / str(number)).touch()
    assert disk_bytes([tmp_path], PLENTY) == 11 * ENTRY_BYTES
    (tmp_path / "file").write_bytes(bytes(MIB))
    assert MIB <= disk_bytes([tmp_path], PLENTY) - 11 * ENTRY_BYTES < 2 * MIB


def test_a_file_counts_what_it_takes_and_not_how_long_it_seems(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert disk_bytes([tmp_path], PLENTY) == ENTRY_BYTES


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(bytes(MIB))
    once = disk_bytes([tmp_path], PLENTY)
    os.link(tmp_path / "one", tmp_path / "two")
    assert disk_bytes([tmp_path], PLENTY) == once + ENTRY_BYTES


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(bytes(MIB))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").symlink_to(tmp_path / "elsewhere" / "file")
    (tmp_path / "data" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "itself").symlink_to(tmp_path / "data")
    assert disk_bytes([tmp_path / "data"], PLENTY) == 3 * ENTRY_BYTES


def test_counting_stops_once_it_is_too_much(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert disk_bytes([tmp_path], 10 * ENTRY_BYTES) == 11 * ENTRY_BYTES


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert disk_bytes([tmp_path / "gone"], PLENTY) == 0


def nest_too_deeply(folder: Path) -> None:
    """Make folders in folders until no path reaches the innermost any more."""
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(18):
        os.mkdir("x" * 250, dir_fd=descriptor)
        inner = os.open("x" * 250, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)


def test_a_folder_that_no_path_reaches_cannot_be_measured_and_counts_as_full(tmp_path: Path) -> None:
    nest_too_deeply(tmp_path)
    with pytest.raises(Unmeasurable, match="cannot be looked into"):
        disk_bytes([tmp_path], PLENTY)
    assert Premises(tmp_path, tmp_path).full(Limits())


@pytest.mark.parametrize("hold", ["kept = file", "kept = mmap.mmap(file.fileno(), 0)", "kept = map_alone(file)"])
def test_files_that_were_deleted_count_as_long_as_a_process_has_them(tmp_path: Path, running: Run, hold: str) -> None:
    if "alone" in hold and os.geteuid() != 0:
        pytest.skip("only root can look at a file that is mapped and not open")
    code = f"""
        import ctypes, mmap, os

        def map_alone(file):
            libc = ctypes.CDLL(None, use_errno=True)
            libc.mmap.restype = ctypes.c_void_p
            assert libc.mmap(None, 4096, 1, mmap.MAP_SHARED, file.fileno(), 0) not in (None, 2**64 - 1)
            file.close()

        file = open({str(tmp_path / "file")!r}, "w+b")
        file.write(bytes({MIB}))
        file.flush()
        os.unlink(file.name)
        {hold}
    """
    process = running(code)
    assert disk_bytes([tmp_path], PLENTY) == 0
    assert MIB <= disk_bytes([tmp_path], PLENTY, [process.pid]) < 2 * MIB


# Processor time and memory


def test_processor_time_grows_with_work_only(running: Run) -> None:
    process = running("sum(range(1_000_000))")
    used = cpu_seconds(process.pid)
    assert used > 0
    assert cpu_seconds(process.pid) - used < 0.005
    process.communicate("\n")
    assert cpu_seconds(process.pid) == 0


def test_memory_that_is_shared_counts(running: Run) -> None:
    without = running("import mmap")
    code = """
        import mmap
        memory = mmap.mmap(-1, 64 << 20)
        for number in range(64):
            memory.write(bytes(1 << 20))
    """
    with_ = running(code)
    assert 60 * MIB < resident_bytes(with_.pid) - resident_bytes(without.pid) < 80 * MIB
    without.communicate("\n")
    assert resident_bytes(without.pid) == 0


# The watch


class Watched:
    """A worker that is some process of the test's, watched by a warden of its own."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, limits: Limits) -> None:
        self.notes: list[str] = []
        ours, self._theirs = socket.socketpair()
        ref = PluginRef("demo_plugin", "1.0.0")
        self.worker = Worker(ref, Channel(ours, 4096), lambda _: None, lambda: None, Granted(), limits)
        self.worker.forked(process.pid, os.pidfd_open(process.pid), Group(()))
        self._process = process
        self._warden = Warden(lambda _, words: self.notes.append(words))
        self._warden.watch(self.worker, Premises(folder, folder), Group(()))

    def close(self) -> None:
        self._warden.close()
        self._process.kill()
        self.worker.exited(self._process.wait(), 0)
        self._theirs.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    made: list[Watched] = []

    def start(process: subprocess.Popen[str], folder: Path, limits: Limits) -> Watched:
        made.append(Watched(process, folder, limits))
        return made[-1]

    yield start
    for watched in made:
        watched.close()


def test_a_worker_over_its_data_limit_is_ended_by_it(running: Run, watch: Watch, tmp_path: Path) -> None:
    process = running("")
    (tmp_path / "file").write_bytes(bytes(2 * MIB))
    worker = watch(process, tmp_path, Limits(data_mb=1)).worker
    process.wait(60)
    assert worker.ending is not None
    assert worker.ending.limit == "data limit of 1 MiB reached"
    assert worker.end_words == "was ended: data limit of 1 MiB reached"


def test_a_worker_whose_files_cannot_be_measured_is_ended_in_words(running: Run, watch: Watch, tmp_path: Path) -> None:
    process = running("")
    nest_too_deeply(tmp_path)
    worker = watch(process, tmp_path, Limits(data_mb=1)).worker
    process.wait(60)
    assert worker.end_words.startswith("was ended: data limit of 1 MiB reached: one of its folders cannot be looked")


def test_a_worker_that_does_nothing_is_not_measured_again(
    running: Run, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, measured = [], []

    def looking(pid: int) -> float:
        looks.append(pid)
        return cpu_seconds(pid)

    def measuring(*_: object) -> int:
        measured.append(len(looks))
        return 0

    monkeypatch.setattr(warden_module, "cpu_seconds", looking)
    monkeypatch.setattr(warden_module, "disk_bytes", measuring)
    watch(running(""), tmp_path, Limits())
    eventually(lambda: len(looks) >= 8)
    assert len(measured) == 1


def test_one_that_cannot_be_looked_at_does_not_leave_the_others_unwatched(
    running: Run, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> int:
        monkeypatch.undo()
        raise ValueError("what a surprise")

    monkeypatch.setattr(warden_module, "disk_bytes", failing)
    (tmp_path / "file").write_bytes(bytes(2 * MIB))
    code = """
        import threading

        def spin():
            while True:
                pass

        threading.Thread(target=spin, daemon=True).start()
    """
    process = running(code)
    watch(process, tmp_path, Limits(data_mb=1))
    process.wait(60)
    assert "demo_plugin-1.0.0 could not be measured" in caplog.text


@pytest.fixture
def ungrouped(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house on a host that gives no cgroups."""
    monkeypatch.setattr(Cgroups, "open", lambda: Cgroups((), {"memory": "not today"}))
    parts = Parts(replace(settings, plugin_memory_mb=32))
    yield House(parts)
    parts.close()


def test_without_cgroups_shared_memory_is_measured_and_ends_the_worker(ungrouped: House) -> None:
    body = """
        import mmap, time

        @tool
        def shared() -> None:
            "Memory that no limit of a process counts."
            memory = mmap.mmap(-1, 1 << 28)
            for start in range(0, 1 << 28, 1 << 20):
                memory[start : start + (1 << 20)] = bytes(1 << 20)
            time.sleep(1000)
    """
    ungrouped.install(with_ping(body, "shared"))
    with pytest.raises(LimitReached, match="memory limit of 32 MiB reached"):
        ungrouped.call("shared")
    layer = ungrouped.running.zygote.layers[-1]
    assert (layer.name, layer.active) == ("cgroup", False)
    assert "memory: not today" in (layer.reason or "")


def test_without_cgroups_workers_have_a_lower_priority(ungrouped: House) -> None:
    ungrouped.install(with_ping(""))
    assert os.getpriority(os.PRIO_PROCESS, ungrouped.pid() or 0) == 10
