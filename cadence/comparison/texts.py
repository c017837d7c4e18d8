"""The difference between two states of one file, line by line, bounded whatever is in them.

The lines are matched as :mod:`difflib` does. That takes quadratic and, where every match only parts a line from the
rest, cubic time, which a hostile plugin can bring about. So the steps are counted, and past a number of them the file
is said to be too large to show.
"""

from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate
from typing import Literal

from msgspec import Struct

from cadence.comparison.words import printable

#: Larger files are not compared by their lines, in bytes.
MAX_TEXT_BYTES = 512 * 1024
#: Files with more lines are not compared by them.
MAX_LINES = 10_000
#: Lines of a difference that are shown; the rest is left out.
MAX_SHOWN_LINES = 2_000
#: The longest line that is shown, in characters; the rest of it is left out.
MAX_LINE_CHARACTERS = 500
#: Comparisons of two lines that a difference may take, about half a second's worth.
MAX_STEPS = 2_000_000
#: Lines around a change that are shown with it.
CONTEXT_LINES = 3

Kind = Literal["text", "binary", "too_large", "same"]


class FileContents(Struct, frozen=True):
    """What a file holds: its ``start``, which is all of it up to :data:`MAX_TEXT_BYTES`, and its size in bytes."""

    start: bytes
    size_bytes: int


class DiffLine(Struct, frozen=True):
    """One line, with its numbers in the old and the new file; a ``place`` says where the next ones are."""

    kind: Literal["same", "added", "removed", "place", "cut"]
    text: str
    old: int | None = None
    new: int | None = None


class FileDifference(Struct, frozen=True):
    """What is different in one file. ``lines`` are there when it is ``text``; ``words`` say what it is in any case."""

    path: str
    kind: Kind
    words: str
    old_bytes: int | None
    new_bytes: int | None
    lines: tuple[DiffLine, ...] = ()

    @property
    def unified(self) -> str | None:
        """The lines in the unified format (POSIX ``diff -u``), to be read: what is not printable in them is escaped."""
        if self.kind != "text":
            return None
        marks = {"same": " ", "added": "+", "removed": "-"}
        return "".join(f"{marks.get(line.kind, '')}{line.text}\n" for line in self.lines)


class _TooManySteps(Exception):
    """The lines cannot be matched in reasonable time."""


def file_difference(path: str, old: FileContents | None, new: FileContents | None) -> FileDifference:
    """Compare two states of one file.

    :param path: what it is called.
    :param old: what was in it, None where there was no such file.
    """

    def told(kind: Kind, words: str, lines: tuple[DiffLine, ...] = ()) -> FileDifference:
        old_bytes, new_bytes = old.size_bytes if old else None, new.size_bytes if new else None
        return FileDifference(printable(path), kind, words, old_bytes, new_bytes, lines)

    sides = [one.start if one else b"" for one in (old, new)]
    if max(map(len, sides)) > MAX_TEXT_BYTES:
        return told("too_large", "The file is too large to be shown line by line.")
    if old == new:
        return told("same", "The file is the same in both versions.")
    before, after = map(_text, sides)
    if before is None or after is None:
        return told("binary", "The file is not text, so there are no lines to show.")
    try:
        lines = tuple(_bounded(_compared(_lines(before), _lines(after))))
    except _TooManySteps:
        return told("too_large", "Too much is different to be shown line by line.")
    words = "The file is new." if old is None else "The file is gone." if new is None else "The file changed."
    return told("text", words, lines)


def _text(contents: bytes) -> str | None:
    """The contents as text, None where they are none."""
    if b"\0" in contents:
        return None
    try:
        return contents.decode()
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> list[str]:
    """The lines with their ends, so that a last line without one is told from one with it."""
    lines = [f"{line}\n" for line in text.split("\n")]
    if lines[-1] == "\n":
        lines.pop()
    else:
        lines[-1] = lines[-1][:-1]
    if len(lines) > MAX_LINES:
        raise _TooManySteps
    return lines


class _Matcher(SequenceMatcher[str]):
    """Counts its steps. One search for the longest match takes a step for each line, and each place it occurs at."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, old, new)
        places = self.b2j  # type: ignore[attr-defined]  # a public attribute that is missing from its types
        self._reached = [0, *accumulate(1 + len(places.get(line, ())) for line in old)]
        self._steps = 0

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        """As in :mod:`difflib`.

        :raises _TooManySteps: once there were too many.
        """
        end = len(self._reached) - 1 if ahi is None else ahi
        self._steps += self._reached[end] - self._reached[alo] + 1
        if self._steps > MAX_STEPS:
            raise _TooManySteps
        return super().find_longest_match(alo, ahi, blo, bhi)


def _compared(old: list[str], new: list[str]) -> Iterator[DiffLine]:
    for group in _Matcher(old, new).get_grouped_opcodes(CONTEXT_LINES):
        (_, first, _, new_first, _), (_, _, last, _, new_last) = group[0], group[-1]
        yield DiffLine("place", f"@@ -{_range(first, last)} +{_range(new_first, new_last)} @@")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                    yield _line("same", old[i], i + 1, j + 1)
                continue
            for i in range(i1, i2):
                yield _line("removed", old[i], i + 1, None)
            for j in range(j1, j2):
                yield _line("added", new[j], None, j + 1)


def _line(kind: Literal["same", "added", "removed"], text: str, old: int | None, new: int | None) -> DiffLine:
    """A tab is shown as it is; a line without an end, as only the last can be, says so."""
    ended = text.endswith("\n")
    parts = text.removesuffix("\n")[: MAX_LINE_CHARACTERS + 1].split("\t")
    shown = "\t".join(printable(part, MAX_LINE_CHARACTERS + 1) for part in parts)
    if len(shown) > MAX_LINE_CHARACTERS:
        shown = f"{shown[:MAX_LINE_CHARACTERS]}…"
    return DiffLine(kind, shown if ended else f"{shown} (no line end)", old, new)


def _range(first: int, last: int) -> str:
    """Where lines are, as in a unified difference: from 1, and with their number where that is not one."""
    count = last - first
    return str(first + 1) if count == 1 else f"{first + 1 if count else first},{count}"


def _bounded(lines: Iterator[DiffLine]) -> Iterator[DiffLine]:
    for count, line in enumerate(lines):
        if count == MAX_SHOWN_LINES:
            yield DiffLine("cut", "More is different than can be shown here.")
            return
        yield line
