"""What plugins write comes to the disk behind them: bounded, told where it is lost, and in nobody's way."""

import errno
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cadence.runtime.log_appending import Appender
from cadence.runtime.log_files import LogFiles
from cadence.runtime.log_lines import Level, Stream
from cadence.runtime.logs import Logs
from tests.runtime.house import eventually
from tests.runtime.log_making import NAME, everything, texts, write
from tests.runtime.log_making import chunk as made
from tests.runtime.test_logs import Pipe

MAX_BYTES = 100_000
RATE = 16 * 1024 * 1024


@pytest.fixture
def files(tmp_path: Path) -> LogFiles:
    return LogFiles(tmp_path / "logs", MAX_BYTES)


@pytest.fixture
def logs(files: LogFiles) -> Iterator[Logs]:
    logs = Logs(MAX_BYTES, RATE, files)
    yield logs
    logs.close()


def test_what_is_written_comes_to_the_disk_by_itself(logs: Logs, files: LogFiles) -> None:
    pipe = Pipe(logs).write(b"one\n")
    eventually(lambda: everything(files) == ["one"])
    pipe.write(b"two\n")
    eventually(lambda: everything(files) == ["one", "two"])
    pipe.end()


def test_what_came_last_is_written_before_the_end(logs: Logs, files: LogFiles) -> None:
    Pipe(logs).write(b"word\n" * 1000).end()
    logs.note(NAME, "1.0.0", "the end", Level.ERROR)
    logs.close()
    last = files.read(NAME, None, 1001).lines
    assert [line.text for line in last] == ["word"] * 1000 + ["the end"]
    assert (last[-1].stream, last[-1].level) == (Stream.CADENCE, Level.ERROR)


def test_another_process_reads_it_and_goes_on_after_a_restart(tmp_path: Path, files: LogFiles) -> None:
    for word in (b"first\n", b"second\n"):
        logs = Logs(MAX_BYTES, RATE, LogFiles(tmp_path / "logs", MAX_BYTES))
        Pipe(logs).write(word).end()
        logs.close()
    assert everything(files) == ["first", "second"]


def test_of_a_flood_the_end_is_kept_and_what_is_lost_is_told(logs: Logs, files: LogFiles) -> None:
    pipe = Pipe(logs)
    for number in range(100):
        pipe.write(b"%8d\n" % number * 10_000)
    pipe.write(b"the last word\n").end()
    logs.close()
    kept = everything(files)
    assert kept[-1] == "the last word"
    assert kept[-2] == f"{99:8d}"
    assert sum(path.stat().st_size for path in (files._folder / NAME).iterdir()) <= MAX_BYTES
    numbers = [int(line) for line in kept[:-1] if not line.startswith("(")]
    assert numbers == sorted(numbers)


def test_lines_that_wait_for_the_disk_and_are_washed_away_are_counted(files: LogFiles) -> None:
    with files.lock(0.0):  # nothing can be written meanwhile
        logs = Logs(MAX_BYTES, RATE, files)
        Pipe(logs).write(b"123456789\n" * 20_000).end()
        kept = len(texts(logs.tail(NAME, 10**6))) - 1
    logs.close()
    first, *rest = everything(files)
    assert (
        first
        == f"({10 * (20_000 - kept)} bytes before this are lost: they came too fast to be written, or could not be)"
    )
    assert rest == ["123456789"] * kept


def test_one_that_was_stopped_with_the_lock_keeps_nobody_from_ending(files: LogFiles) -> None:
    with files.lock(0.0):
        logs = Logs(MAX_BYTES, RATE, files)
        Pipe(logs).write(b"word\n").end()
        logs.close()
    assert everything(files) == []


class FullDisk:
    """Stands for :func:`os.write` on a disk that has room for ``room`` bytes more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, descriptor: int, data: Any) -> int:
        if not _is_log(descriptor):
            return self._write(descriptor, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


def _is_log(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".log"


def test_a_full_disk_loses_lines_says_so_once_and_hurts_nothing_else(
    logs: Logs, files: LogFiles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = Pipe(logs).write(b"before\n")
    eventually(lambda: everything(files) == ["before"])
    disk = FullDisk(50)
    monkeypatch.setattr(os, "write", disk)
    with caplog.at_level(logging.WARNING):
        for number in range(1, 4):
            logs.note(NAME, "1.0.0", f"lost {number}")
            eventually(lambda number=number: logs._writer and logs._writer._lost.get(NAME) == 7 * number)  # type: ignore[misc]
    assert [record.getMessage() for record in caplog.records] == [
        "What plugins write cannot be kept, and is lost until it can: No space left on device."
    ]
    assert everything(files) == ["before"]
    assert texts(logs.tail(NAME))[-1] == "lost 3"
    disk.room = 10**9
    pipe.write(b"after\n").end()
    eventually(lambda: everything(files)[-1] == "after")
    told = "(21 bytes before this are lost: they came too fast to be written, or could not be)"
    assert everything(files) == ["before", told, "after"]


def test_a_folder_that_cannot_be_written_to_hurts_nothing_else(tmp_path: Path) -> None:
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("a file")
    logs = Logs(MAX_BYTES, RATE, LogFiles(in_the_way, MAX_BYTES))
    Pipe(logs).write(b"word\n").end()
    assert texts(logs.tail(NAME)) == ["word"]
    logs.close()


def test_one_log_that_cannot_be_written_leaves_the_others(logs: Logs, files: LogFiles) -> None:
    with files.lock(1.0):
        (files._folder / NAME).write_text("a file in the way")
        Pipe(logs).write(b"lost\n").end()
        Pipe(logs, "other").write(b"kept\n").end()
    eventually(lambda: texts(files.read("other", None, 9)) == ["kept"])


def test_a_folder_that_is_removed_meanwhile_is_made_again(logs: Logs, files: LogFiles) -> None:
    Pipe(logs).write(b"before\n").end()
    eventually(lambda: everything(files) == ["before"])
    files.forget(NAME)
    Pipe(logs).write(b"after\n").end()
    eventually(lambda: everything(files) == ["after"])


def test_a_plugin_that_is_forgotten_leaves_nothing(logs: Logs, files: LogFiles) -> None:
    Pipe(logs).write(b"word\n").end()
    eventually(lambda: everything(files) == ["word"])
    logs.forget(NAME)
    assert (logs.tail(NAME), files.names()) == ((), set())


def test_tidying_keeps_what_is_known_and_what_runs(logs: Logs, files: LogFiles) -> None:
    for number in range(25):
        write(files, made("word"), name=f"other{number:02}")
        os.utime(files._folder / f"other{number:02}", (number, number))
    runs = Pipe(logs).write(b"runs\n")
    Pipe(logs, "sleeps").write(b"sleeps\n").end()
    eventually(lambda: {NAME, "sleeps"} <= files.names())
    eventually(lambda: not logs._unwritten)
    logs.tidy({NAME, "sleeps"})
    assert files.names() == {NAME, "sleeps", *(f"other{number:02}" for number in range(5, 25))}
    assert texts(logs.tail(NAME)) == ["runs"]
    assert logs.tail("sleeps") == ()
    assert texts(files.read("sleeps", None, 9)) == ["sleeps"]
    runs.end()


def test_nobody_waits_while_the_disk_does(logs: Logs, files: LogFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read goes on and notes are taken while a write hangs, as on a disk that does not answer."""
    hangs, goes_on, append = threading.Event(), threading.Event(), Appender.append

    def hang(self: Appender, chunk: Any) -> None:
        hangs.set()
        goes_on.wait()
        append(self, chunk)

    monkeypatch.setattr(Appender, "append", hang)
    try:
        Pipe(logs).write(b"word\n").end()
        eventually(hangs.is_set)
        Pipe(logs).write(b"more\n").end()
        logs.note(NAME, "1.0.0", "note")
        assert texts(logs.tail(NAME)) == ["word", "more", "note"]
    finally:
        goes_on.set()
    eventually(lambda: everything(files) == ["word", "more", "note"])
