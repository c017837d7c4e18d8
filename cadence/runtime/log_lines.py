"""What a log is made of: lines with time, version, stream and level, and how a level is known.

Plugins write text, so a level is read from it, line by line and without looking back:

- A line that begins with the name of a level and a space or a colon has that level. So have all records that the
  worker's logging handler writes (``LEVEL name: message``), and most that a plugin formats itself.
- A line that begins with a space, a tab or :data:`CONTINUES` belongs to the one before it. With the latter the
  worker's logging handler begins every further line of a record; it is not shown.
- ``Traceback (most recent call last):`` is an error, and so is the line that ends what follows: Python writes it so for
  exceptions that nobody caught.
- Any other line is ``INFO`` on standard output, and ``WARNING`` on standard error, where programs complain.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

MAX_LINE_BYTES = 8192
#: Begins a line that belongs to the one before (Unit Separator): as ``_FURTHER`` in :mod:`cadence_sdk._runtime.main`.
CONTINUES = "\x1f"

_BELONGING = (b" ", b"\t", CONTINUES.encode())
_LEVEL = re.compile(rb"(DEBUG|INFO|WARNING|ERROR|CRITICAL)[ :]")
_TRACEBACK = b"Traceback (most recent call last):"


class Stream(StrEnum):
    """Where a line was written; ``CADENCE`` are the server's own about the plugin."""

    STDOUT = "stdout"
    STDERR = "stderr"
    CADENCE = "cadence"


class Level(StrEnum):
    """How much a line matters, from the least."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


RANKS = {level: rank for rank, level in enumerate(Level)}
_LEVELS = {level.value.encode(): level for level in Level}
_PLAIN = {Stream.STDOUT: Level.INFO, Stream.STDERR: Level.WARNING, Stream.CADENCE: Level.WARNING}


class LogLine(Struct, frozen=True):
    """One line: when it came (UTC, ISO 8601), from which version of the plugin, its text, stream and level."""

    at: str
    version: str
    text: str
    stream: Stream
    level: Level


class LogPage(Struct, frozen=True):
    """Some lines in the order of time.

    ``cursor`` is where the next read goes on. ``gap`` is how many bytes of log are gone that were between where this
    read went on and its first line; ``more`` whether there are lines behind the last one already.
    """

    lines: tuple[LogLine, ...]
    cursor: str
    gap: int = 0
    more: bool = False


class LogFilter(Struct, frozen=True):
    """Which lines are wanted: of one version, of a level or above, of one stream, with a text in them in any case."""

    version: str | None = None
    level: Level | None = None
    stream: Stream | None = None
    search: str | None = None

    def takes(self, version: str, stream: Stream) -> bool:
        """Whether lines of these are wanted at all."""
        return self.version in (None, version) and self.stream in (None, stream)

    def takes_level(self, level: Level) -> bool:
        """Whether lines of this level are."""
        return self.level is None or RANKS[level] >= RANKS[self.level]

    def takes_text(self, text: str) -> bool:
        """Whether a line with this text is."""
        return self.search is None or self.search.casefold() in text.casefold()


class Context(NamedTuple):
    """What the next line belongs to, if it belongs to the one before: its level, and whether that is a traceback."""

    level: Level
    in_traceback: bool = False


def beginning(stream: Stream) -> Context:
    """What the first line of a stream finds."""
    return Context(_PLAIN[stream])


def following(line: bytes, stream: Stream, before: Context) -> Context:
    """The context that a line leaves, whose level is that of the line itself."""
    if stream is Stream.CADENCE or line.startswith(_BELONGING):
        return before
    if found := _LEVEL.match(line):
        return Context(_LEVELS[found[1]])
    if line.startswith(_TRACEBACK):
        return Context(Level.ERROR, in_traceback=True)
    return Context(before.level if before.in_traceback else _PLAIN[stream])


def contexts(lines: list[bytes], stream: Stream, before: Context) -> Iterator[Context]:
    """The context that each of the lines leaves."""
    for line in lines:
        before = following(line, stream, before)
        yield before


def shown(line: bytes) -> str:
    """The text of a line: bytes that are no UTF-8 as their numbers, and of a line that is too long its beginning."""
    text = line[:MAX_LINE_BYTES].decode("utf-8", "backslashreplace").removeprefix(CONTINUES)
    more = len(line) - MAX_LINE_BYTES
    return f"{text} ({more} more bytes)" if more > 0 else text
