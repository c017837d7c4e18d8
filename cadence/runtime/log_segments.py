"""How a plugin's log lies in its folder.

It is one stream of bytes, of which every byte has a *position* that it keeps. The stream is cut into segments, each a
file that is named for the position of its first byte; what is too old goes by whole files, from the first on. Where a
stream begins anew, because the old one was removed, it gets another *epoch*: positions of the two are never mistaken.

A segment is records, one behind the other: a header (a JSON array in a line of its own), so many bytes of text as that
says, and a line's end. A record that is not complete is where a process died, or one that another is writing just now:
it, and what is behind it in its segment, is not there.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from cadence.errors import InvalidRequest
from cadence.runtime.log_lines import Context, Level, Stream, beginning
from cadence.runtime.log_memory import Chunk

_NAME = re.compile(r"([0-9a-f]{12})-([0-9a-f]{16})\.log")
_CURSOR = re.compile(r"([0-9a-f]{1,12})-([0-9a-f]{1,16})")
_MAX_HEADER_BYTES = 1024
#: The cursor before the first line that there is.
START = "0"


class Segment(NamedTuple):
    """One file, and the position of its first byte."""

    epoch: int
    start: int
    path: Path

    @classmethod
    def at(cls, folder: Path, epoch: int, start: int) -> "Segment":
        """The one that begins there."""
        return cls(epoch, start, folder / f"{epoch:012x}-{start:016x}.log")

    @property
    def size(self) -> int:
        """How long it is now, in bytes; 0 where it is gone."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


class Cursor(NamedTuple):
    """A place in a stream, between two lines."""

    epoch: int
    position: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor that was given out as this text.

        :raises InvalidRequest: when none was.
        """
        if text == START:
            return cls(0, 0)
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise InvalidRequest("after must be the cursor of an earlier answer, or 0 for the first line that is kept.")
        return cls(int(found[1], 16), int(found[2], 16))

    def __str__(self) -> str:
        return f"{self.epoch:x}-{self.position:x}" if self.epoch else START


class Header(Struct, frozen=True, array_like=True):
    """What stands before the text of a record; ``level`` and ``in_traceback`` are the context its first line finds."""

    at: str
    version: str
    stream: Stream
    level: Level
    in_traceback: bool
    size: Annotated[int, Meta(ge=0)]

    @property
    def before(self) -> Context:
        """The context its first line finds."""
        return Context(self.level, self.in_traceback)


class Record(NamedTuple):
    """A complete record in the bytes of a segment: where its text begins and where it ends, with the line's end."""

    header: Header
    begin: int
    end: int

    def text(self, data: bytes) -> bytes:
        """Its lines, without the last one's end."""
        return data[self.begin : self.end - 1]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Header).decode


def encoded(chunk: Chunk) -> bytes:
    """A chunk as a record."""
    header = Header(chunk.at, chunk.version, chunk.stream, *chunk.before, len(chunk.text))
    return b"%b\n%b\n" % (_encode(header), chunk.text)


def note(at: str, version: str, text: str) -> Chunk:
    """A line of the server's own."""
    return Chunk(at, version, Stream.CADENCE, beginning(Stream.CADENCE), text.encode())


def records(data: bytes) -> Iterator[Record]:
    """The records of a segment, up to the first that is not complete."""
    at = 0
    while (begin := data.find(b"\n", at, at + _MAX_HEADER_BYTES) + 1) > 0:
        try:
            header = _decode(data[at : begin - 1])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        at = begin + header.size + 1
        if data[at - 1 : at] != b"\n":
            return
        yield Record(header, begin, at)


def sound_size(data: bytes) -> int:
    """How much of a segment is complete records, in bytes."""
    return max((record.end for record in records(data)), default=0)


def segments_of(folder: Path) -> list[Segment]:
    """The segments of the present stream in their order; none where there is no such folder."""
    found: list[Segment] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        names = ((path, _NAME.fullmatch(path.name)) for path in folder.iterdir())
        found = [Segment(int(name[1], 16), int(name[2], 16), path) for path, name in names if name]
    newest = max((one.epoch for one in found), default=0)
    return sorted(one for one in found if one.epoch == newest)
