"""Write the entries of an archive to disk, believing nothing that a header says about their size."""

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED

from cadence.intake.container import Entry
from cadence.intake.faults import printable, quoted
from cadence.intake.limits import KIB, MIB, ArchiveLimits, bytes_in_words
from cadence.intake.tree import PathParts
from cadence.model import Fault, Stage

CHUNK_BYTES = 64 * KIB

# A small file may be packed as tightly as it likes: it is the archive as a whole that must keep to the ratio then.
FREE_RATIO_BYTES = MIB

_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Unpacker:
    """Unpacks the entries of one archive and counts what comes out of all of them.

    :param archive: the ZIP file, open for reading.
    :param archive_bytes: its size.
    :param go_on: is called for every entry and every chunk of one; what it raises ends the unpacking.
    """

    def __init__(
        self, archive: BinaryIO, archive_bytes: int, limits: ArchiveLimits, go_on: Callable[[], object] = lambda: None
    ) -> None:
        self.unpacked_bytes = 0
        self._archive = archive
        self._limits = limits
        self._go_on = go_on
        self._most_by_ratio = archive_bytes * limits.max_compression_ratio

    def unpack(self, tree: Mapping[PathParts, Entry], folder: Path) -> list[Fault]:
        """Write the tree into ``folder``, which must be fresh and empty.

        :returns: the faults of entries that are not what their headers promise. An archive that unpacks to too much is
            given up at once; damaged entries are all found.
        :raises OSError: when the disk refuses.
        """
        faults: list[Fault] = []
        made: set[PathParts] = {()}
        for path, entry in tree.items():
            _make_folders(folder, path if entry.is_directory else path[:-1], made)
            try:
                self._unpack_entry(entry, None if entry.is_directory else folder.joinpath(*path))
            except _TooMuchError as error:
                return [*faults, _fault(error, entry)]
            except _DamagedError as error:
                faults.append(_fault(error, entry))
        return faults

    def _unpack_entry(self, entry: Entry, target: Path | None) -> None:
        """Unpack one entry into ``target``; a folder's data, which must be none, goes nowhere."""
        if target is None:
            self._copy(entry, None)
            return
        with os.fdopen(os.open(target, _NEW_FILE, _FILE_MODE), "wb") as file:
            os.fchmod(file.fileno(), _FILE_MODE)  # whatever the umask says
            self._copy(entry, file)

    def _copy(self, entry: Entry, file: BinaryIO | None) -> None:
        size = crc = 0
        self._go_on()
        for chunk in self._data(entry):
            self._go_on()
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            self._count(entry, size, len(chunk))
            if size > entry.unpacked_bytes:
                break
            if file is not None:
                file.write(chunk)
        if size != entry.unpacked_bytes:
            raise _DamagedError("wrong_size", "does not unpack to the size its header says")
        if crc != entry.crc:
            raise _DamagedError("wrong_checksum", "is damaged: its checksum (CRC-32) is wrong")

    def _count(self, entry: Entry, size: int, more: int) -> None:
        self.unpacked_bytes += more
        ratio = self._limits.max_compression_ratio
        if self.unpacked_bytes > self._limits.max_unpacked_bytes:
            most = bytes_in_words(self._limits.max_unpacked_bytes)
            raise _TooMuchError("unpacked_too_large", f"takes the archive beyond the {most} it may unpack to")
        if size > max(FREE_RATIO_BYTES, entry.packed_bytes * ratio):
            raise _TooMuchError("ratio_too_high", f"unpacks to more than {ratio} times its packed size")
        if self.unpacked_bytes > self._most_by_ratio:
            raise _TooMuchError("ratio_too_high", f"takes the archive beyond {ratio} times its packed size")

    def _data(self, entry: Entry) -> Iterator[bytes]:
        packed = self._packed(entry)
        return packed if entry.method == ZIP_STORED else _inflated(packed)

    def _packed(self, entry: Entry) -> Iterator[bytes]:
        self._archive.seek(entry.data_offset)
        left = entry.packed_bytes
        while left and (chunk := self._archive.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


class _DamagedError(Exception):
    """One entry is not what its headers promise: a code and the predicate of a sentence about it."""


class _TooMuchError(_DamagedError):
    """Too much has come out of the archive; it is given up."""


def _inflated(packed: Iterable[bytes]) -> Iterator[bytes]:
    """Inflate a stream (RFC 1951) in chunks; it must end exactly where the packed data do."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for chunk in packed:
            if stream.eof:
                raise _DamagedError("wrong_size", "has data after the end of its packed stream")
            yield stream.decompress(chunk, CHUNK_BYTES)
            while stream.unconsumed_tail:
                yield stream.decompress(stream.unconsumed_tail, CHUNK_BYTES)
        while not stream.eof and (more := stream.decompress(b"", CHUNK_BYTES)):
            yield more
    except zlib.error:
        raise _DamagedError("damaged_entry", "is damaged: its packed data cannot be read") from None
    if not stream.eof or stream.unused_data:
        raise _DamagedError("wrong_size", "is damaged: its packed data do not end where its header says")


def _make_folders(root: Path, path: PathParts, made: set[PathParts]) -> None:
    for depth in range(1, len(path) + 1):
        if (folder := path[:depth]) not in made:
            made.add(folder)
            make_folder(root.joinpath(*folder))


def make_folder(path: Path) -> None:
    """Make a folder that was not there, with mode 0755 whatever the umask says.

    :raises FileExistsError: when anything, also a link, is there.
    """
    path.mkdir()
    path.chmod(_FOLDER_MODE)


def _fault(error: _DamagedError, entry: Entry) -> Fault:
    code, predicate = error.args
    return Fault(Stage.ARCHIVE, code, f"The entry {quoted(entry.name)} {predicate}", printable(entry.name))
