"""Reading a plugin's log from its folder, while others write to it and remove what is too old.

The work of one read is bounded: a plugin can write a million lines of which none is what is looked for. What is not
looked at then is behind the cursor, or before the first line.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cadence.runtime.log_lines import LogFilter, LogLine, LogPage, contexts, shown
from cadence.runtime.log_segments import Cursor, Record, Segment, records, segments_of, sound_size

#: How much work one read does. A unit is a line of up to :data:`_UNIT_BYTES`, which takes about a microsecond, or so
#: many times as much that is known by its record not to be wanted.
_MAX_UNITS = 50_000
_UNIT_BYTES = 256
_SKIPPED_UNITS = 16


class _Placed(NamedTuple):
    """A line that was looked at, with its position and the next one's; None in place of one that is not wanted."""

    position: int
    end: int
    line: LogLine | None

    @property
    def units(self) -> int:
        """What it took to look at it."""
        return 1 + (self.end - self.position) // _UNIT_BYTES


def read_last(folder: Path, limit: int, wanted: LogFilter) -> LogPage:
    """The last lines that are wanted, and the cursor behind the last that there is."""
    segments = segments_of(folder)
    found: list[LogLine] = []
    cursor: Cursor | None = None
    units = 0
    for segment in reversed(segments):
        if cursor and (len(found) >= limit or units >= _MAX_UNITS):
            break
        data = _bytes_of(segment)
        cursor = cursor or Cursor(segment.epoch, segment.start + sound_size(data))
        for record in reversed(list(records(data))):
            if len(found) >= limit or units >= _MAX_UNITS:
                break
            units += _units_to_skip(record)
            placed = list(_lines_of(segment, data, record, wanted))
            units += sum(one.units for one in placed)
            found += [one.line for one in reversed(placed) if one.line is not None]
    return LogPage(_in_order(found[:limit][::-1]), str(cursor or Cursor(0, 0)))


def read_after(folder: Path, after: Cursor, limit: int, wanted: LogFilter) -> LogPage:
    """The lines that are wanted behind a cursor, as many as ``limit``, and the cursor behind the last one looked at."""
    segments = segments_of(folder)
    if not segments:
        return LogPage((), str(after))
    first = segments[0]
    known = after.epoch == first.epoch
    position = max(after.position, first.start) if known else first.start
    gap = first.start - after.position if known and after.position < first.start else 0
    page = _Page(limit, wanted, position)
    for segment, end in zip(segments, [*(one.start for one in segments[1:]), None], strict=True):
        if end is not None and end <= position:
            continue
        data = _bytes_of(segment)
        if not data and end is not None:  # it was removed since the folder was looked at
            gap += end - max(segment.start, page.position)
            page.position = end
        elif not page.take(segment, data):
            break
        elif end is not None:
            page.position = end
    return LogPage(_in_order(page.found), str(Cursor(first.epoch, page.position)), gap, page.is_full)


class _Page:
    """Collects lines from a position on."""

    def __init__(self, limit: int, wanted: LogFilter, position: int) -> None:
        self.found: list[LogLine] = []
        self.position = position
        self.is_full = False
        self._limit = limit
        self._wanted = wanted
        self._units = 0

    def take(self, segment: Segment, data: bytes) -> bool:
        """Take the lines of a segment; returns False when there was one too many."""
        for record in records(data):
            if segment.start + record.end <= self.position:
                continue
            if self._units >= _MAX_UNITS:
                self.is_full = True
                return False
            self._units += _units_to_skip(record)
            for one in _lines_of(segment, data, record, self._wanted):
                if one.position < self.position:
                    continue
                if len(self.found) >= self._limit or self._units >= _MAX_UNITS:
                    self.is_full = True
                    return False
                self._units += one.units
                self.position = one.end
                if one.line is not None:
                    self.found.append(one.line)
            self.position = segment.start + record.end
        return True


def _lines_of(segment: Segment, data: bytes, record: Record, wanted: LogFilter) -> Iterator[_Placed]:
    """The lines of a record; none of one of which no line is wanted."""
    header = record.header
    if not wanted.takes(header.version, header.stream):
        return
    lines = record.text(data).split(b"\n")
    end = segment.start + record.begin
    for line, context in zip(lines, contexts(lines, header.stream, header.before), strict=True):
        position, end = end, end + len(line) + 1
        found = None
        if wanted.takes_level(context.level) and wanted.takes_text(text := shown(line)):
            found = LogLine(header.at, header.version, text, header.stream, context.level)
        yield _Placed(position, end, found)


def _units_to_skip(record: Record) -> int:
    return 1 + (record.end - record.begin) // (_SKIPPED_UNITS * _UNIT_BYTES)


def _in_order(lines: list[LogLine]) -> tuple[LogLine, ...]:
    """Servers write what they have by and by: lines of two of them may stand in another order than they came."""
    return tuple(sorted(lines, key=lambda line: line.at))


def _bytes_of(segment: Segment) -> bytes:
    """What is in a segment, nothing where it is gone."""
    try:
        return segment.path.read_bytes()
    except FileNotFoundError:
        return b""
