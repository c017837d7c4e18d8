"""Adding to a plugin's log in its folder; see :mod:`cadence.runtime.log_segments` for how it lies there."""

import errno
import os
import time
from pathlib import Path

from cadence.runtime.log_memory import Chunk
from cadence.runtime.log_segments import Segment, encoded, note, segments_of, sound_size

#: Of how many segments a log is made when it is full: an eighth of it goes at once.
_SEGMENTS = 8
_LARGEST_SEGMENT_BYTES = 1024 * 1024

#: A segment and how many bytes of it are known to be complete records.
Known = tuple[Path, int]


class Appender:
    """The end of one plugin's log, for as long as its caller holds the lock of all logs. It is closed after use.

    :param folder: where the log is; there already.
    :param max_bytes: how much of it is kept.
    :param known: as :attr:`known` was when this process wrote to it last.
    """

    def __init__(self, folder: Path, max_bytes: int, known: Known | None) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(max_bytes // _SEGMENTS, _LARGEST_SEGMENT_BYTES)
        self._segments = segments_of(folder)
        self._size = self._segments[-1].size if self._segments else 0
        self._is_sound = (known is not None and known == self.known) or self._ends_soundly()
        self._descriptor: int | None = None

    @property
    def known(self) -> Known | None:
        """What is known of the last segment now."""
        return (self._segments[-1].path, self._size) if self._segments else None

    def append(self, chunk: Chunk) -> None:
        """Write a chunk as a whole, and remove as much from the beginning of the log as there is too much then.

        :raises OSError: when it could not be written; then nothing of it was.
        """
        record = encoded(chunk)
        if len(record) > self._max_bytes:
            words = f"({len(chunk.text)} bytes that came at once are not kept: they are more than is kept in all)"
            record = encoded(note(chunk.at, chunk.version, words))
        if not self._is_sound or (self._size and self._size + len(record) > self._segment_bytes):
            self._begin_segment()
        self._make_room(len(record))
        self._write(record)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _ends_soundly(self) -> bool:
        """Whether nobody died while writing to the last segment: what is behind half a record would not be found."""
        try:
            return bool(self._segments) and sound_size(self._segments[-1].path.read_bytes()) == self._size
        except FileNotFoundError:
            return False

    def _begin_segment(self) -> None:
        self.close()
        if self._segments:
            last = self._segments[-1]
            segment = Segment.at(self._folder, last.epoch, last.start + self._size)
        else:
            # Of 10 µs, in which no log is removed and begun anew; twelve digits last until 2059.
            segment = Segment.at(self._folder, time.time_ns() // 10_000, 0)
        self._segments.append(segment)
        self._size = 0
        self._is_sound = True

    def _make_room(self, size: int) -> None:
        end = self._segments[-1].start + self._size + size
        while len(self._segments) > 1 and end - self._segments[0].start > self._max_bytes:
            self._segments.pop(0).path.unlink(missing_ok=True)

    def _write(self, record: bytes) -> None:
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._segments[-1].path, flags, 0o600)
        written = os.write(self._descriptor, record)
        if written < len(record):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
