"""Logs on the disk stay within their bound, are read on from where one was, and survive whoever writes them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadence.errors import InvalidRequest
from cadence.runtime.log_files import LogFiles, LogFilesBusy
from cadence.runtime.log_lines import Level, LogFilter, Stream
from cadence.runtime.log_segments import encoded, segments_of
from tests.runtime.log_making import NAME, chunk, everything, texts, write

MAX_BYTES = 8192


@pytest.fixture
def files(tmp_path: Path) -> LogFiles:
    return LogFiles(tmp_path / "logs", MAX_BYTES)


def size_of(files: LogFiles) -> int:
    return sum(path.stat().st_size for path in (files._folder / NAME).iterdir())


def flood(files: LogFiles, count: int, begin: int = 0) -> None:
    write(files, *(chunk(f"line {number}") for number in range(begin, begin + count)))


def test_the_last_lines_are_read_and_then_those_behind_them(files: LogFiles) -> None:
    write(files, chunk("a\nb\nc"))
    page = files.read(NAME, None, 2)
    assert texts(page) == ["b", "c"]
    assert texts(files.read(NAME, page.cursor, 10)) == []
    write(files, chunk("d\ne"))
    page = files.read(NAME, page.cursor, 1)
    assert (texts(page), page.more, page.gap) == (["d"], True, 0)
    page = files.read(NAME, page.cursor, 1)
    assert (texts(page), page.more) == (["e"], False)


def test_a_log_that_was_never_written_is_empty_and_read_on_from_its_beginning(files: LogFiles) -> None:
    page = files.read(NAME, None, 10)
    assert (page.lines, page.cursor) == ((), "0")
    assert files.names() == set()
    write(files, chunk("first"))
    assert texts(files.read(NAME, page.cursor, 10)) == ["first"]
    assert files.names() == {NAME}


def test_lines_know_their_version_stream_and_level(files: LogFiles) -> None:
    write(files, chunk("out"), chunk("ERROR demo: no\n more", version="2.0.0", stream=Stream.STDERR))
    found = [(line.version, line.stream, line.level, line.text) for line in files.read(NAME, None, 9).lines]
    assert found == [
        ("1.0.0", Stream.STDOUT, Level.INFO, "out"),
        ("2.0.0", Stream.STDERR, Level.ERROR, "ERROR demo: no"),
        ("2.0.0", Stream.STDERR, Level.ERROR, " more"),
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (LogFilter(version="2.0.0"), ["CRITICAL end", "plain"]),
        (LogFilter(level=Level.WARNING), ["WARNING a", "CRITICAL end", "plain"]),
        (LogFilter(stream=Stream.STDOUT), ["one", "WARNING a"]),
        (LogFilter(search="AI"), ["plain"]),
        (LogFilter("2.0.0", Level.CRITICAL, Stream.STDERR, "end"), ["CRITICAL end"]),
    ],
)
@pytest.mark.parametrize("after", [None, "0"])
def test_only_lines_that_are_wanted_are_read(
    files: LogFiles, wanted: LogFilter, found: list[str], after: str | None
) -> None:
    write(files, chunk("one\nWARNING a"), chunk("CRITICAL end\nplain", version="2.0.0", stream=Stream.STDERR))
    assert texts(files.read(NAME, after, 10, wanted)) == found


def test_lines_that_are_not_wanted_are_not_looked_at_again(files: LogFiles) -> None:
    write(files, chunk("a\nb"))
    page = files.read(NAME, "0", 10, LogFilter(search="nothing"))
    assert (texts(page), texts(files.read(NAME, page.cursor, 10))) == ([], [])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.text("ab\x00ä ", max_size=8), min_size=1, max_size=5), max_size=8),
    st.lists(st.integers(1, 4), min_size=1, max_size=8),
)
def test_pages_of_any_sizes_between_writes_have_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, written: list[list[str]], limits: list[int]
) -> None:
    files = LogFiles(tmp_path_factory.mktemp("logs"), 10**6)
    cursor, found = "0", []
    for number, lines in enumerate(written):
        write(files, chunk("\n".join(lines)))
        page = files.read(NAME, cursor, limits[number % len(limits)])
        found += texts(page)
        cursor = page.cursor
    found += texts(files.read(NAME, cursor, 1000))
    assert found == [line for lines in written for line in lines]


def test_a_flood_stays_within_the_bound_on_the_disk_and_its_end_is_kept(files: LogFiles) -> None:
    for begin in range(0, 1000, 50):
        flood(files, 50, begin)
        assert size_of(files) <= MAX_BYTES
    kept = everything(files)
    assert kept == [f"line {number}" for number in range(1000 - len(kept), 1000)]
    assert size_of(files) > MAX_BYTES / 2


def test_a_reader_that_was_overtaken_is_told_how_many_bytes_it_missed(files: LogFiles) -> None:
    flood(files, 1)
    cursor = files.read(NAME, None, 1).cursor
    sizes = [len(encoded(chunk(f"line {number}"))) for number in range(1, 500)]
    flood(files, 499, 1)
    page = files.read(NAME, cursor, 1)
    missed = int(page.lines[0].text.split()[1]) - 1
    assert missed > 0
    assert page.gap == sum(sizes[:missed])
    assert files.read(NAME, page.cursor, 1000).gap == 0


def test_what_is_more_than_is_kept_in_all_is_told_and_nothing_else_is_lost_for_it(files: LogFiles) -> None:
    write(files, chunk("before"), chunk("x" * MAX_BYTES), chunk("after"))
    assert everything(files) == [
        "before",
        f"({MAX_BYTES} bytes that came at once are not kept: they are more than is kept in all)",
        "after",
    ]


def test_a_chunk_as_large_as_the_bound_takes_the_place_of_all_before(files: LogFiles) -> None:
    large = "x" * (MAX_BYTES - 100)
    write(files, chunk("before"), chunk(large))
    assert everything(files) == [large]
    assert size_of(files) <= MAX_BYTES


def test_two_processes_share_the_bound_and_one_order(tmp_path: Path) -> None:
    one, other = LogFiles(tmp_path, MAX_BYTES), LogFiles(tmp_path, MAX_BYTES)
    for number in range(200):
        write((one, other)[number % 2], chunk(f"line {number}"))
        assert size_of(one) <= MAX_BYTES
    kept = everything(one)
    assert kept == everything(other) == [f"line {number}" for number in range(200 - len(kept), 200)]


def test_lines_of_two_processes_are_in_the_order_of_time_on_a_page(files: LogFiles) -> None:
    write(files, chunk("second", at="2026-01-01T00:00:02.000+00:00"))
    write(files, chunk("first", at="2026-01-01T00:00:01.000+00:00"))
    assert texts(files.read(NAME, None, 9)) == texts(files.read(NAME, "0", 9)) == ["first", "second"]


def tear(files: LogFiles, size: int) -> None:
    """Cut the last segment as a process leaves it that dies while it writes."""
    last = segments_of(files._folder / NAME)[-1].path
    os.truncate(last, size)


@pytest.mark.parametrize("cut", range(1, len(encoded(chunk("third"))) + 1, 7))
def test_half_a_record_is_skipped_and_what_comes_after_it_is_read(tmp_path: Path, cut: int) -> None:
    dead = LogFiles(tmp_path, MAX_BYTES)
    write(dead, chunk("first"), chunk("second"))
    cursor = dead.read(NAME, "0", 1).cursor
    write(dead, chunk("third"))
    tear(dead, size_of(dead) - cut)
    files = LogFiles(tmp_path, MAX_BYTES)
    assert everything(files) == texts(files.read(NAME, None, 9)) == ["first", "second"]
    write(files, chunk("fourth"))
    write(files, chunk("fifth"))
    page = files.read(NAME, cursor, 9)
    assert (texts(page), page.gap) == (["second", "fourth", "fifth"], 0)
    assert texts(files.read(NAME, None, 9)) == ["first", "second", "fourth", "fifth"]


def test_a_process_that_saw_another_die_does_not_write_behind_its_half_record(files: LogFiles, tmp_path: Path) -> None:
    write(files, chunk("mine"))
    write(LogFiles(files._folder, MAX_BYTES), chunk("half"))
    tear(files, size_of(files) - 3)
    write(files, chunk("mine again"))
    assert everything(files) == ["mine", "mine again"]


@pytest.mark.parametrize(
    "garbage", [b"\0" * 300, b"[]\n", b"\n\n\n", b'["a","b","stdout","INFO",false,-1]\n', b"x" * 3000]
)
def test_a_segment_that_the_disk_garbled_hides_only_its_own_rest(files: LogFiles, garbage: bytes) -> None:
    write(files, chunk("before"))
    with segments_of(files._folder / NAME)[-1].path.open("ab") as file:
        file.write(garbage)
    write(files, chunk("after"))
    assert everything(files) == texts(files.read(NAME, None, 9)) == ["before", "after"]


@pytest.mark.parametrize("after", ["", "x", "1", "1-", "-1", "1-2-3", "fffffffffffff-1", "1-" + "f" * 17, "1-٣", "0 "])
def test_what_is_no_cursor_is_refused_in_words(files: LogFiles, after: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        files.read(NAME, after, 1)
    assert "cursor of an earlier answer" in refused.value.sentences[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 500))
def test_a_cursor_that_was_made_up_shows_whole_lines_or_none(
    tmp_path_factory: pytest.TempPathFactory, position: int
) -> None:
    files = LogFiles(tmp_path_factory.mktemp("logs"), 10**6)
    lines = ["first", "second", "third", "fourth"]
    write(files, chunk("\n".join(lines[:2])), chunk("\n".join(lines[2:])))
    epoch = files.read(NAME, None, 1).cursor.partition("-")[0]
    found = texts(files.read(NAME, f"{epoch}-{position:x}", 9))
    assert found == lines[len(lines) - len(found) :]


def test_a_cursor_of_a_log_that_was_removed_reads_the_new_one_from_its_beginning(files: LogFiles) -> None:
    flood(files, 50)
    cursor = files.read(NAME, None, 1).cursor
    files.forget(NAME)
    assert (everything(files), files.names()) == ([], set())
    write(files, chunk("anew"))
    page = files.read(NAME, cursor, 9)
    assert (texts(page), page.gap) == (["anew"], 0)


def test_forgetting_what_there_never_was_does_nothing(files: LogFiles) -> None:
    files.forget(NAME)
    assert files.names() == set()


def test_of_plugins_that_are_not_known_the_latest_logs_are_kept(files: LogFiles) -> None:
    for number, name in enumerate(["known", "old", "new", "newest"]):
        write(files, chunk("words"), name=name)
        os.utime(files._folder / name, (number, number))
    files.forget_others({"known"}, 2)
    assert files.names() == {"known", "new", "newest"}


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "a/b", ".lock", "a\\b", "a\0"])
def test_a_name_that_is_no_plugins_leads_nowhere(files: LogFiles, name: str) -> None:
    with pytest.raises(ValueError, match="no plugin's name"):
        files.read(name, None, 1)


def test_nobody_but_the_server_can_read_what_plugins_wrote(files: LogFiles) -> None:
    write(files, chunk("a secret"))
    paths = [files._folder, files._folder / NAME, *(files._folder / NAME).iterdir()]
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


def test_a_search_for_what_is_not_there_ends_after_so_many_lines_and_goes_on_from_there(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, 10**6)
    for _ in range(3):
        write(files, chunk("\n" * 30_000))
    write(files, chunk("needle"))
    page = files.read(NAME, "0", 9, LogFilter(search="needle"))
    assert (texts(page), page.more) == ([], True)
    assert everything(files, wanted=LogFilter(search="needle")) == ["needle"]


def test_who_waits_too_long_for_the_right_to_write_is_told(files: LogFiles) -> None:
    with files.lock(0.0), pytest.raises(LogFilesBusy), LogFiles(files._folder, MAX_BYTES).lock(0.01):
        pass


WRITER = """
import sys
from pathlib import Path
from cadence.runtime.log_files import LogFiles
from tests.runtime.log_making import chunk, write
files = LogFiles(Path(sys.argv[1]), 65536)
for number in range(10**9):
    write(files, chunk(f"line {number} " + "x" * 3000))
    print(number, flush=True)
"""


def test_after_a_kill_all_that_was_written_is_read_and_another_goes_on(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(60)]
        writer.send_signal(signal.SIGKILL)
        said += map(int, writer.stdout.read().split())
    files = LogFiles(tmp_path, 65536)
    kept = [int(line.split()[1]) for line in everything(files)]
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert kept[-1] >= said[-1]
    write(files, chunk("line 0 of the next"))
    assert everything(files)[-1] == "line 0 of the next"
