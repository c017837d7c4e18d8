"""What plugins write is kept as lines, by version, within a bound that no plugin can pass."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadence.runtime.log_lines import CONTINUES, Stream
from cadence.runtime.logs import Logs, _Source
from tests.runtime.house import PATIENCE_SECONDS, eventually

MAX_BYTES = 10_000
MAX_BYTES_PER_SECOND = 16 * 1024 * 1024


@pytest.fixture
def logs() -> Iterator[Logs]:
    logs = Logs(MAX_BYTES, MAX_BYTES_PER_SECOND)
    yield logs
    logs.close()


class Pipe:
    """The end of a log pipe that a worker has."""

    def __init__(
        self, logs: Logs, name: str = "demo_plugin", version: str = "1.0.0", stream: Stream = Stream.STDOUT
    ) -> None:
        read, self.write_end = os.pipe()
        self.drained = logs.attach(name, version, read, stream)

    def write(self, *parts: bytes) -> "Pipe":
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(self.write_end, view) :]
        return self

    def end(self) -> None:
        """Close it, and wait until all was taken in."""
        os.close(self.write_end)
        assert self.drained.wait(PATIENCE_SECONDS)


def texts(logs: Logs, count: int = 10**6, name: str = "demo_plugin", version: str | None = None) -> list[str]:
    return [line.text for line in logs.tail(name, count, version)]


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_lines_are_kept_in_order_with_their_version(logs: Logs) -> None:
    Pipe(logs).write(b"one\ntwo\n").end()
    assert texts(logs) == ["one", "two"]
    assert {line.version for line in logs.tail("demo_plugin")} == {"1.0.0"}


def test_a_line_that_comes_in_parts_is_one_line(logs: Logs) -> None:
    pipe = Pipe(logs).write(b"on", b"e\ntw", b"o", b"\n", b"\xc3", b"\xa4\n")
    pipe.end()
    assert texts(logs) == ["one", "two", "ä"]


def test_a_last_line_without_an_end_is_kept(logs: Logs) -> None:
    Pipe(logs).write(b"one\ntwo").end()
    assert texts(logs) == ["one", "two"]


def test_a_worker_that_wrote_nothing_has_no_line(logs: Logs) -> None:
    Pipe(logs).end()
    assert texts(logs) == []


def test_bytes_that_are_no_text_are_shown_as_what_they_are(logs: Logs) -> None:
    Pipe(logs).write(b"caf\xe9 \xff\n").end()
    assert texts(logs) == ["caf\\xe9 \\xff"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1), max_size=20))
def test_any_lines_of_text_come_out_as_they_went_in(lines: list[str]) -> None:
    logs = Logs(10**6, MAX_BYTES_PER_SECOND)
    try:
        Pipe(logs).write("".join(f"{line}\n" for line in lines).encode()).end()
        # What says that a line belongs to the one before it is not part of the line.
        assert texts(logs) == [line.removeprefix(CONTINUES) for line in lines]
    finally:
        logs.close()


def test_the_tail_gives_the_last_lines_of_all_versions_or_of_one(logs: Logs) -> None:
    old, new = Pipe(logs, version="1.0.0"), Pipe(logs, version="2.0.0")
    old.write(b"a\n")
    eventually(lambda: texts(logs) == ["a"])
    new.write(b"b\nc\n")
    eventually(lambda: texts(logs) == ["a", "b", "c"])
    old.write(b"d\n").end()
    new.end()
    assert texts(logs, 2) == ["c", "d"]
    assert texts(logs, version="1.0.0") == ["a", "d"]
    assert texts(logs, 1, version="2.0.0") == ["c"]
    assert texts(logs, name="absent") == []


def test_the_tail_of_some_streams_leaves_the_others_out(logs: Logs) -> None:
    Pipe(logs).write(b"out\n").end()
    Pipe(logs, stream=Stream.STDERR).write(b"err\n").end()
    logs.note("demo_plugin", "1.0.0", "note")
    assert texts(logs) == ["out", "err", "note"]
    assert [line.text for line in logs.tail("demo_plugin", 1, streams=(Stream.STDOUT, Stream.STDERR))] == ["err"]


def test_of_what_comes_at_once_standard_error_is_the_last(logs: Logs) -> None:
    """It has the reason of a death."""
    streams = (Stream.STDERR, Stream.STDOUT)
    pipes = [os.pipe() for _ in streams]
    for stream, (_, write) in zip(streams, pipes, strict=True):
        os.write(write, f"{stream}\n".encode())
        os.close(write)
    sources = [_Source("demo_plugin", "1.0.0", stream) for stream in streams]
    logs._new.extend((read, source) for (read, _), source in zip(pipes, sources, strict=True))
    logs._wake()
    for source in sources:
        assert source.drained.wait(PATIENCE_SECONDS)
    assert texts(logs) == ["stdout", "stderr"]


def test_a_count_of_none_gives_no_line(logs: Logs) -> None:
    Pipe(logs).write(b"a\n").end()
    assert texts(logs, 0) == []


FLOODS = {"ascii": b"x" * 99, "two bytes": "ä".encode() * 49, "four bytes": "😀".encode() * 24, "no text": b"\xff" * 24}


@pytest.mark.parametrize("line", FLOODS.values(), ids=FLOODS)
def test_what_is_kept_of_a_flood_stays_within_the_bound_in_bytes_and_is_its_end(logs: Logs, line: bytes) -> None:
    pipe = Pipe(logs)
    for _ in range(1000):
        pipe.write(line + b"\n")
    pipe.write(b"the last word\n").end()
    first, *kept = texts(logs)
    assert kept[-1] == "the last word"
    assert MAX_BYTES / 2 < sum(len(text.encode()) + 1 for text in kept) <= MAX_BYTES
    lost = (1000 - (len(kept) - 1)) * (len(line) + 1)
    assert first == f"({lost} bytes before this are not kept)"


def test_a_flood_of_empty_lines_costs_no_more_than_the_bound_by_much(logs: Logs) -> None:
    Pipe(logs).write(b"\n" * 1_000_000).end()
    kept = logs.tail("demo_plugin", 10**6)
    assert sum(sys.getsizeof(line) for line in kept) <= 10 * MAX_BYTES


def test_a_line_without_end_stays_within_the_bound(logs: Logs) -> None:
    Pipe(logs).write(b"x" * 3_000_000).end()
    assert texts(logs) == ["x" * 8192, f"({3_000_000 - 8192} more bytes of this line were dropped)"]


def test_the_beginning_of_a_line_without_end_is_shown_before_it_ends(logs: Logs) -> None:
    pipe = Pipe(logs).write(b"before\n", b"x" * 100_000)
    eventually(lambda: texts(logs) == ["before", "x" * 8192])
    pipe.write(b"x" * 100_000, b"\nafter\n").end()
    assert texts(logs)[2:] == [f"({200_000 - 8192} more bytes of this line were dropped)", "after"]


def test_a_long_line_that_came_whole_says_what_is_missing_of_it(logs: Logs) -> None:
    Pipe(logs).write(b"x" * 9000 + b"\nafter\n").end()
    assert texts(logs) == ["x" * 8192 + " (808 more bytes)", "after"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 20_000), max_size=6), st.lists(st.integers(1, 40_000), max_size=6))
def test_lines_of_any_length_in_any_pieces_lose_nothing_unsaid(sizes: list[int], pieces: list[int]) -> None:
    source = _Source("demo_plugin", "1.0.0")
    data = b"".join(b"x" * size + b"\n" for size in sizes)
    parts = []
    for piece in [*pieces, len(data)]:
        parts.append(source.take(data[:piece]) if data else None)
        data = data[piece:]
    assert data == b""
    assert source.finish() is None
    shown = b"\n".join(part for part in parts if part is not None).split(b"\n") if sizes else []
    told = sum(int(line[1:].split()[0]) for line in shown if line.startswith(b"("))
    assert sum(line.count(b"x") for line in shown) + told == sum(sizes)
    assert sum(not line.startswith(b"(") for line in shown) == len(sizes)


def test_a_flood_of_one_plugin_leaves_the_log_of_another(logs: Logs) -> None:
    Pipe(logs, "quiet").write(b"a word\n").end()
    Pipe(logs, "loud").write(b"x" * 99 + b"\n" * 100_000).end()
    assert texts(logs, name="quiet") == ["a word"]


FLOOD = """
import os, sys, threading
for descriptor in sys.argv[1:]:
    threading.Thread(target=lambda fd=int(descriptor): [os.write(fd, b"\\n" * 65536) for _ in iter(int, 1)]).start()
"""


def test_floods_of_many_cost_no_more_of_a_processor_than_one(logs: Logs) -> None:
    names = [f"loud{number}" for number in range(64)]
    pipes = [Pipe(logs, name) for name in names]
    ends = [pipe.write_end for pipe in pipes]
    # Another process, so that it takes the interpreter of this one from no one.
    with subprocess.Popen(
        [sys.executable, "-c", FLOOD, *map(str, ends)], pass_fds=ends, stderr=subprocess.DEVNULL
    ) as flood:
        try:
            eventually(lambda: all(logs.tail(name, 1) for name in names))
            began, worked = time.monotonic(), processor_seconds(logs)
            eventually(lambda: processor_seconds(logs) > worked + 0.1)
            assert (processor_seconds(logs) - worked) / (time.monotonic() - began) < 0.2
        finally:
            flood.kill()
    for pipe in pipes:
        pipe.end()


def processor_seconds(logs: Logs) -> float:
    """How much processor time the thread that reads has used."""
    assert logs._thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(logs._thread.ident))


def test_a_log_is_read_while_others_end(logs: Logs) -> None:
    lasting = Pipe(logs, "lasting").write(b"before\n")
    for number in range(20):
        Pipe(logs, f"brief{number}").write(b"word\n").end()
    lasting.write(b"after\n").end()
    assert texts(logs, name="lasting") == ["before", "after"]


def test_closing_closes_every_pipe() -> None:
    logs = Logs(MAX_BYTES, MAX_BYTES_PER_SECOND)
    pipe = Pipe(logs).write(b"word\n")
    eventually(lambda: texts(logs) == ["word"])
    logs.close()
    with pytest.raises(BrokenPipeError):
        os.write(pipe.write_end, b"nobody reads")
    os.close(pipe.write_end)


def test_closing_leaves_no_descriptor_open() -> None:
    before = open_descriptors()
    logs = Logs(MAX_BYTES, MAX_BYTES_PER_SECOND)
    pipes = [Pipe(logs) for _ in range(5)]
    logs.close()
    for pipe in pipes:
        with suppress(OSError):
            os.close(pipe.write_end)
    assert open_descriptors() <= before


def test_closing_while_lines_come_in_neither_fails_nor_leaks() -> None:
    """The reading thread may notice the end by itself, before whoever ends it has woken it."""
    before = open_descriptors()
    for _ in range(200):
        logs = Logs(MAX_BYTES, MAX_BYTES_PER_SECOND)
        read, write = os.pipe()
        os.write(write, b"one\n" * 100)
        logs.attach("demo_plugin", "1.0.0", read)
        os.close(write)
        logs.close()
        logs.close()
    assert open_descriptors() == before


def test_a_pipe_that_comes_after_the_end_is_closed_and_nobody_waits_for_it() -> None:
    logs = Logs(MAX_BYTES, MAX_BYTES_PER_SECOND)
    logs.close()
    before = open_descriptors()
    read, write = os.pipe()
    assert logs.attach("demo_plugin", "1.0.0", read).is_set()
    os.close(write)
    assert open_descriptors() == before
