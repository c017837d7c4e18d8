"""The records of a ZIP file that ``zipfile`` reads carelessly or not at all, read strictly.

Sections are those of PKWARE's APPNOTE.TXT, version 6.3.10.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from cadence.errors import InvalidArchive
from cadence.model import Fault, Stage

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = struct.Struct("<2H")
_MAX_COMMENT_BYTES = 0xFFFF
_ZIP64_EXTRA, _UNICODE_PATH_EXTRA = 0x0001, 0x7075
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF


class End(Struct, frozen=True):
    """Where the central directory lies (bytes from the start of the file) and how many entries it claims.

    ``records_offset`` is where the end records begin, up to which the directory reaches.
    """

    entries: int
    directory_bytes: int
    directory_offset: int
    records_offset: int


class LocalHeader(Struct, frozen=True):
    """The header in front of an entry's data (section 4.3.7), sizes already taken from ZIP64 where they stand there."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    unpacked_bytes: int
    extra: bytes
    data_offset: int


def refusal(code: str, message: str) -> InvalidArchive:
    """An archive that cannot be read any further."""
    return InvalidArchive(faults=[Fault(Stage.ARCHIVE, code, message)])


def find_end(file: BinaryIO) -> End:
    """Find the end of central directory record (sections 4.3.14 to 4.3.16).

    :raises InvalidArchive: when there is none, when it is not the one thing that ends the file, or when the central
        directory does not end where it begins.
    """
    position, tail = _last_end_record(file)
    _, disk, first_disk, here, entries, directory_bytes, offset, _ = _END.unpack_from(tail)
    end = End(entries, directory_bytes, offset, position)
    on_one_disk = disk == first_disk == 0 and here == entries
    if position >= _LOCATOR64.size:
        file.seek(position - _LOCATOR64.size)
        locator = file.read(_LOCATOR64.size)
        if locator.startswith(b"PK\6\7"):
            end, on_one_disk = _zip64_end(file, end, locator)
    if not on_one_disk:
        raise refusal("split_archive", "The archive is one part of a split archive; join the parts first")
    _refuse_gaps(file, end)
    return end


def _last_end_record(file: BinaryIO) -> tuple[int, bytes]:
    """The offset of the end record and its bytes, the archive's comment included.

    A reader may look for the record from the back or from the front, and may or may not ask that its comment reaches
    the end of the file. All of them must find the same one.
    """
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - _MAX_COMMENT_BYTES)
    file.seek(start)
    tail = file.read()
    found = [at for at in _occurrences(tail, b"PK\5\6") if at + _END.size <= len(tail)]
    if not found:
        raise refusal("not_a_zip", "File is not a valid ZIP archive")
    complete = [at for at in found if at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail)]
    if not complete:
        raise refusal("data_after_archive", "There is data after the end of the archive, or its end is missing")
    if complete != found[-1:]:
        raise refusal("ambiguous_end", "The archive's comment contains the end of another archive")
    return start + found[-1], tail[found[-1] :]


def _occurrences(data: bytes, pattern: bytes) -> Iterator[int]:
    at = data.find(pattern)
    while at >= 0:
        yield at
        at = data.find(pattern, at + 1)


def _zip64_end(file: BinaryIO, end: End, locator: bytes) -> tuple[End, bool]:
    """Read the ZIP64 end record, and whether it tells of one disk only.

    A reader may take the record the locator points to or the one right before the locator, and may believe the older
    end record wherever that is not full. All of them must see the same.
    """
    position = end.records_offset - _LOCATOR64.size - _END64.size
    _, locator_disk, located, disks = _LOCATOR64.unpack(locator)
    file.seek(max(position, 0))
    record = file.read(_END64.size)
    if located != position or not record.startswith(b"PK\6\6"):
        raise refusal("header_disagreement", "The archive's ZIP64 end record is not where its locator says")
    _, record_bytes, _, _, disk, first_disk, here, entries, directory_bytes, offset = _END64.unpack(record)
    pairs = (
        (end.entries, entries, FULL16),
        (end.directory_bytes, directory_bytes, FULL32),
        (end.directory_offset, offset, FULL32),
    )
    if record_bytes != _END64.size - 12 or any(old not in (new, full) for old, new, full in pairs):
        raise refusal("header_disagreement", "The archive's two end records (ZIP and ZIP64) disagree")
    on_one_disk = locator_disk == disk == first_disk == 0 and disks <= 1 and here == entries
    return End(entries, directory_bytes, offset, position), on_one_disk


def _refuse_gaps(file: BinaryIO, end: End) -> None:
    """The directory must reach exactly up to the end records; ``zipfile`` would silently move everything."""
    missing = end.records_offset - end.directory_offset - end.directory_bytes
    if missing < 0:
        raise refusal("damaged_directory", "The archive is damaged: its central directory does not fit into the file")
    if missing:
        file.seek(end.directory_offset)
        if file.read(4) == b"PK\1\2":
            raise refusal("unaccounted_data", f"There are {missing} bytes after the central directory")
        raise refusal("data_before_archive", f"There are {missing} bytes of other data before the archive")


def read_local_header(file: BinaryIO, offset: int) -> LocalHeader | None:
    """Read the local file header at ``offset``; ``None`` where there is none."""
    file.seek(offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(b"PK\3\4"):
        return None
    _, _, flags, method, _, _, crc, packed, unpacked, name_bytes, extra_bytes = _LOCAL.unpack(head)
    name, extra = file.read(name_bytes), file.read(extra_bytes)
    packed, unpacked = _zip64_sizes(packed, unpacked, extra)
    data_offset = offset + _LOCAL.size + name_bytes + extra_bytes
    return LocalHeader(name, flags, method, crc, packed, unpacked, extra, data_offset)


def _zip64_sizes(packed: int, unpacked: int, extra: bytes) -> tuple[int, int]:
    """Take from the ZIP64 extra field the sizes that do not fit into the header (section 4.5.3)."""
    values = b"".join(payload for tag, payload in _extra_fields(extra) if tag == _ZIP64_EXTRA)
    numbers = iter(struct.unpack(f"<{len(values) // 8}Q", values[: len(values) // 8 * 8]))
    if unpacked == FULL32:
        unpacked = next(numbers, unpacked)
    if packed == FULL32:
        packed = next(numbers, packed)
    return packed, unpacked


def unicode_paths(name: bytes, extra: bytes) -> list[str]:
    """The names that Unicode path fields give to an entry whose header calls it ``name`` (section 4.6.9).

    A field counts when its checksum is that of the name, as for every reader.
    """
    payloads = (payload for tag, payload in _extra_fields(extra) if tag == _UNICODE_PATH_EXTRA)
    checksum = zlib.crc32(name).to_bytes(4, "little")
    return [payload[5:].decode("utf-8", "backslashreplace") for payload in payloads if payload[1:5] == checksum]


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and payload of each complete extra field (section 4.5.1)."""
    while len(extra) >= _EXTRA.size:
        tag, length = _EXTRA.unpack_from(extra)
        yield tag, extra[_EXTRA.size : _EXTRA.size + length]
        extra = extra[_EXTRA.size + length :]


def is_descriptor(data: bytes, crc: int, packed_bytes: int, unpacked_bytes: int) -> bool:
    """Whether ``data`` is a data descriptor with these values, in any of its four forms (section 4.3.9)."""
    body = data.removeprefix(b"PK\7\x08") if len(data) in (16, 24) else data
    forms = (
        struct.pack(form, crc, packed_bytes, unpacked_bytes) for form in _descriptor_forms(packed_bytes, unpacked_bytes)
    )
    return body in forms


def _descriptor_forms(packed_bytes: int, unpacked_bytes: int) -> tuple[str, ...]:
    return ("<LLL", "<LQQ") if max(packed_bytes, unpacked_bytes) <= FULL32 else ("<LQQ",)
