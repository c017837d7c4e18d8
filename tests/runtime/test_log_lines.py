"""The level of a line is known from its text and from the line before it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.runtime.log_lines import CONTINUES, Context, Level, LogFilter, Stream, beginning, contexts, shown
from cadence.runtime.logs import _Source

OUT, ERR = Stream.STDOUT, Stream.STDERR


def levels(text: str, stream: Stream = ERR) -> list[Level]:
    return [context.level for context in contexts(text.encode().split(b"\n"), stream, beginning(stream))]


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("stream", [OUT, ERR])
@pytest.mark.parametrize("form", ["{} demo: words", "{}: words", "{}:demo:words"])
def test_a_line_that_begins_with_a_level_has_it(level: Level, stream: Stream, form: str) -> None:
    assert levels(form.format(level), stream) == [level]


@pytest.mark.parametrize("text", ["ERRORS were found", "error: words", " ERROR words", "an ERROR", ""])
def test_a_line_that_only_looks_so_does_not(text: str) -> None:
    assert levels(text) == [Level.WARNING]


def test_plain_lines_are_information_on_output_and_warnings_on_error() -> None:
    assert levels("words", OUT) == [Level.INFO]
    assert levels("words", ERR) == [Level.WARNING]


def test_the_further_lines_of_a_record_have_its_level_whatever_they_say() -> None:
    text = f"INFO demo: many\n{CONTINUES}ERROR is only a word here\n{CONTINUES}\n{CONTINUES}unindented\nplain"
    assert levels(text) == [Level.INFO] * 4 + [Level.WARNING]


def test_a_traceback_that_nobody_logged_is_an_error_up_to_its_last_line() -> None:
    text = 'Traceback (most recent call last):\n  File "a.py"\n    boom()\nValueError: boom\n  with more\nplain'
    assert levels(text) == [Level.ERROR] * 5 + [Level.WARNING]


def test_a_record_of_another_thread_within_a_traceback_keeps_its_own_level() -> None:
    assert levels("Traceback (most recent call last):\n  File\nINFO demo: words\nplain") == [
        Level.ERROR,
        Level.ERROR,
        Level.INFO,
        Level.WARNING,
    ]


def test_the_mark_of_a_further_line_is_not_shown_and_an_indentation_is() -> None:
    assert shown(b"\x1f  indented") == "  indented"


@given(
    st.lists(
        st.sampled_from(["plain", " more", f"{CONTINUES}x", "ERROR a: b", "Traceback (most recent call last):", ""]),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 30),
)
def test_lines_have_the_same_level_in_whatever_pieces_they_came(lines: list[str], cut: int) -> None:
    source = _Source("demo_plugin", "1.0.0", ERR)
    found: list[Level] = []
    for piece in (lines[:cut], lines[cut:]):
        if piece:
            text = "\n".join(piece).encode()
            found += [one.level for one in contexts(text.split(b"\n"), ERR, source.context(text))]
    assert found == levels("\n".join(lines))


def test_notes_of_the_server_have_the_level_they_are_given() -> None:
    found = contexts([b"ERROR words", b"words"], Stream.CADENCE, Context(Level.CRITICAL))
    assert [one.level for one in found] == [Level.CRITICAL] * 2


def test_a_filter_takes_a_level_and_those_above() -> None:
    wanted = LogFilter(level=Level.WARNING)
    assert [level for level in Level if wanted.takes_level(level)] == [Level.WARNING, Level.ERROR, Level.CRITICAL]


def test_a_search_does_not_see_the_case_of_letters() -> None:
    wanted = LogFilter(search="STRASSE")
    assert wanted.takes_text("in der Straße")
    assert not wanted.takes_text("im Haus")
