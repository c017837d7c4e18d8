"""The lines of a file that are different, and files that nobody could compare by their lines in reasonable time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadence.comparison import FileContents, FileDifference, file_difference
from cadence.comparison.texts import MAX_LINE_CHARACTERS, MAX_SHOWN_LINES, MAX_TEXT_BYTES


def contents(text: bytes | None) -> FileContents | None:
    return None if text is None else FileContents(text, len(text))


def difference(old: bytes | None, new: bytes | None) -> FileDifference:
    return file_difference("tools.py", contents(old), contents(new))


def test_a_difference_is_that_of_a_unified_diff() -> None:
    found = difference(b"a\nb\nc\n", b"a\nB\nc\nd\n")
    assert (found.kind, found.words, found.old_bytes, found.new_bytes) == ("text", "The file changed.", 6, 8)
    assert found.unified == "@@ -1,3 +1,4 @@\n a\n-b\n+B\n c\n+d\n"
    assert [(line.kind, line.old, line.new) for line in found.lines[1:]] == [
        ("same", 1, 1),
        ("removed", 2, None),
        ("added", None, 2),
        ("same", 3, 3),
        ("added", None, 4),
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"), [(None, b"a\n", "The file is new."), (b"a\n", None, "The file is gone.")]
)
def test_a_file_that_only_one_side_has_is_shown_whole(old: bytes | None, new: bytes | None, words: str) -> None:
    found = difference(old, new)
    assert (found.kind, found.words, len(found.lines)) == ("text", words, 2)


def test_a_missing_last_line_end_is_told() -> None:
    assert difference(b"a\n", b"a").unified == "@@ -1 +1 @@\n-a\n+a (no line end)\n"


def test_what_is_no_text_is_said_to_be_none() -> None:
    for old in (b"\0", b"\xff\xfe"):
        found = difference(old, b"text")
        assert (found.kind, found.unified) == ("binary", None)
        assert difference(b"text", old).kind == "binary"


def test_equal_files_have_no_difference() -> None:
    assert difference(b"\0", b"\0").kind == "same"


def test_control_characters_and_marks_that_turn_text_around_are_made_visible() -> None:
    found = difference(b"", "\x1b[31mred\t\u202edrow\r\n".encode())
    assert found.lines[1].text == "\\x1b[31mred\t\\u202edrow\\r"


def test_long_lines_and_long_differences_are_cut() -> None:
    assert len(difference(b"", b"x" * 100_000).lines[1].text) < MAX_LINE_CHARACTERS + 20
    found = difference(b"", b"".join(b"%d\n" % number for number in range(5_000)))
    assert len(found.lines) == MAX_SHOWN_LINES + 1
    assert found.lines[-1].kind == "cut"


def test_files_with_too_much_in_them_are_not_shown() -> None:
    large = FileContents(b"x" * (MAX_TEXT_BYTES + 1), 10**9)
    found = file_difference("x", large, contents(b""))
    assert (found.kind, found.old_bytes) == ("too_large", 10**9)
    assert difference(b"\n" * 20_000, b"").kind == "too_large"


def test_files_made_to_be_slow_to_compare_are_given_up() -> None:
    """Every search for the longest match finds one line, at the beginning of what is left."""
    old, new = ("".join(f"{side}{n}\n{n}\n" for n in range(3_000)).encode() for side in ("old", "new"))
    assert difference(old, new).kind == "too_large"


def test_a_long_file_with_a_few_changes_is_shown() -> None:
    lines = [f"line {number}\n" for number in range(9_000)]
    changed = [f"{line.upper()}" if number % 1_000 == 0 else line for number, line in enumerate(lines)]
    found = difference("".join(lines).encode(), "".join(changed).encode())
    assert found.kind == "text"
    assert sum(line.kind == "added" for line in found.lines) == 9


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd "), max_size=12), st.lists(st.sampled_from("abcd "), max_size=12))
def test_the_new_lines_are_the_old_ones_without_those_removed_and_with_those_added(
    old: list[str], new: list[str]
) -> None:
    before, after = ("".join(f"{line}\n" for line in side).encode() for side in (old, new))
    found = difference(before, after)
    if before == after:
        assert found.kind == "same"
        return
    shown_old = {line.old: line.text for line in found.lines if line.old is not None}
    shown_new = {line.new: line.text for line in found.lines if line.new is not None}
    assert all(old[number - 1] == text for number, text in shown_old.items())
    assert all(new[number - 1] == text for number, text in shown_new.items())
    kept = [text for number, text in enumerate(old, 1) if (number, text) not in _changed(found, "removed")]
    assert kept == [text for number, text in enumerate(new, 1) if (number, text) not in _changed(found, "added")]


def _changed(found: FileDifference, kind: str) -> set[tuple[int | None, str]]:
    return {(line.old if kind == "removed" else line.new, line.text) for line in found.lines if line.kind == kind}
