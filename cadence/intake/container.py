"""The entries of a ZIP file, checked against the file's structure before a byte of them is unpacked.

Readers of ZIP files disagree where a file contradicts itself: some believe the central directory, some the local
headers, some whatever comes first. An archive is taken only if every reader would see the same entries, and if every
byte of the file belongs to exactly one part of it. The central directory is read by ``zipfile``; what ``zipfile`` does
not look at is verified here. Sections are those of PKWARE's APPNOTE.TXT, version 6.3.10.
"""

import struct
import zipfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from msgspec import Struct

from cadence.intake.faults import printable, quoted
from cadence.intake.limits import KIB
from cadence.intake.ziprecords import (
    FULL32,
    End,
    LocalHeader,
    find_end,
    is_descriptor,
    read_local_header,
    refusal,
    unicode_paths,
)
from cadence.model import Fault, Stage

# Room for one entry in the central directory, its name and extra fields included. It bounds what zipfile is made to
# read into memory before the entries can be counted.
DIRECTORY_BYTES_PER_ENTRY = KIB

_DIRECTORY_HEADER_BYTES = 46
_LONGEST_DESCRIPTOR_BYTES = 24

# General purpose bit flags, section 4.4.4.
_DESCRIPTOR, _UTF8 = 1 << 3, 1 << 11
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_PATCHED = 1 << 5
# The other flags only tell how hard the compressor tried: writers do not agree on them and readers ignore them.
_FLAGS_THAT_MATTER = _DESCRIPTOR | _UTF8 | _ENCRYPTED | _PATCHED


class Entry(Struct, frozen=True):
    """One entry, as the central directory and its local header agree on it.

    ``name`` is the whole name, also past a NUL. The ``packed_bytes`` bytes of its data begin at ``data_offset`` of the
    file. ``mode`` are the Unix type and permission bits, 0 where the writer stored none.
    """

    name: str
    method: int
    crc: int
    packed_bytes: int
    unpacked_bytes: int
    data_offset: int
    mode: int

    @property
    def is_directory(self) -> bool:
        """Whether it is a folder, which all writers say by a slash at the end of the name."""
        return self.name.endswith("/")


def read_entries(file: BinaryIO, max_entries: int) -> tuple[list[Entry], list[Fault]]:
    """Read every entry of a ZIP file, and every way in which the file contradicts itself.

    :param file: open for reading, seekable.
    :param max_entries: how many entries the file may have.
    :returns: the entries in the order of their data, and the faults. Entries without a readable local header are
        missing from the former and named in the latter.
    :raises InvalidArchive: when the file is not a ZIP archive, or its central directory cannot be read.
    """
    end = find_end(file)
    _refuse_too_many(end, max_entries)
    entries: list[Entry] = []
    faults: list[Fault] = []
    for info, boundary in _with_boundaries(_central_directory(file, end), end.directory_offset, faults):
        local = read_local_header(file, info.header_offset)
        if local is None:
            faults.append(_fault("header_disagreement", info, "has no local header where the central directory says"))
        else:
            entries.append(_entry(info, local))
            faults.extend(_contradictions(file, info, local, boundary))
    return entries, faults


def _refuse_too_many(end: End, max_entries: int) -> None:
    if end.entries > max_entries:
        raise refusal("too_many_entries", f"The archive has {end.entries} entries; {max_entries} are allowed")
    if end.directory_bytes > max_entries * DIRECTORY_BYTES_PER_ENTRY:
        raise refusal("directory_too_large", "The archive's central directory is too large for its entries")


def _central_directory(file: BinaryIO, end: End) -> list[zipfile.ZipInfo]:
    """Let ``zipfile`` parse the directory (section 4.3.12), then make sure that it read neither more nor less of it."""
    try:
        infos = zipfile.ZipFile(file).infolist()
    except NotImplementedError as error:
        raise refusal("unsupported_archive", f"The archive needs a newer reader: {error}") from None
    except (zipfile.BadZipFile, ValueError, struct.error, OSError, OverflowError) as error:
        raise refusal("damaged_directory", f"The archive's central directory is damaged: {error}") from None
    read = sum(_DIRECTORY_HEADER_BYTES + len(_raw_name(i)) + len(i.extra) + len(i.comment) for i in infos)
    if len(infos) != end.entries or read != end.directory_bytes:
        raise refusal("damaged_directory", "The archive's end record and its central directory disagree")
    return infos


def _with_boundaries(
    infos: Iterable[zipfile.ZipInfo], directory_offset: int, faults: list[Fault]
) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    """Pair each entry, in the order of the data, with the offset where the next one (or the directory) begins."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    boundaries = [*(info.header_offset for info in ordered), directory_offset]
    if boundaries[0]:
        message = f"There are {boundaries[0]} bytes of other data before the first entry"
        faults.append(Fault(Stage.ARCHIVE, "data_before_archive", message))
    return zip(ordered, boundaries[1:], strict=True)


def _entry(info: zipfile.ZipInfo, local: LocalHeader) -> Entry:
    return Entry(
        name=_name(info),
        method=info.compress_type,
        crc=info.CRC,
        packed_bytes=info.compress_size,
        unpacked_bytes=info.file_size,
        data_offset=local.data_offset,
        mode=info.external_attr >> 16,
    )


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    """The bytes of the name; ``zipfile`` decoded them and, in ``filename``, cut them at the first NUL."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")


def _name(info: zipfile.ZipInfo) -> str:
    """The name as its writer meant it: macOS and ``zip`` write UTF-8 without saying so (section 4.4.17, appendix D)."""
    raw = _raw_name(info)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return next(iter(unicode_paths(raw, info.extra)), info.orig_filename)


def _contradictions(file: BinaryIO, info: zipfile.ZipInfo, local: LocalHeader, boundary: int) -> Iterator[Fault]:
    if info.flag_bits & _ENCRYPTED:
        yield _fault("encrypted_entry", info, "is encrypted; make the archive without a password")
    if info.flag_bits & _PATCHED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        message = f"is compressed by method {info.compress_type}; only stored and deflated entries can be read"
        yield _fault("unsupported_compression", info, message)
    differing = [word for word, agreed in _agreements(info, local) if not agreed]
    if differing:
        message = f"has another {' and '.join(differing)} in its local header than in the central directory"
        yield _fault("header_disagreement", info, message)
    if any(path != _name(info) for path in unicode_paths(_raw_name(info), info.extra + local.extra)):
        yield _fault("header_disagreement", info, "has another name in its Unicode path field")
    yield from _misplaced_data(file, info, local, boundary)


def _agreements(info: zipfile.ZipInfo, local: LocalHeader) -> Iterator[tuple[str, bool]]:
    yield "name", local.name == _raw_name(info)
    yield "compression method", local.method == info.compress_type
    yield "set of flags", not (local.flags ^ info.flag_bits) & _FLAGS_THAT_MATTER
    # With a data descriptor the header was written before the values were known (section 4.4.4, bit 3).
    unknown = (0, FULL32) if info.flag_bits & _DESCRIPTOR else ()
    yield "checksum", local.crc in (info.CRC, *unknown[:1])
    yield "packed size", local.packed_bytes in (info.compress_size, *unknown)
    yield "size", local.unpacked_bytes in (info.file_size, *unknown)


def _misplaced_data(file: BinaryIO, info: zipfile.ZipInfo, local: LocalHeader, boundary: int) -> Iterator[Fault]:
    """Check that the data, and the descriptor where there is one, fill the space up to the next entry exactly."""
    end = local.data_offset + info.compress_size
    if end > boundary:
        yield _fault("overlapping_entries", info, "overlaps what follows it in the archive")
        return
    file.seek(end)
    rest = file.read(min(boundary - end, _LONGEST_DESCRIPTOR_BYTES + 1))
    if info.flag_bits & _DESCRIPTOR:
        if not is_descriptor(rest, info.CRC, info.compress_size, info.file_size):
            yield _fault("header_disagreement", info, "has a data descriptor that differs from the central directory")
    elif rest:
        yield _fault("unaccounted_data", info, f"is followed by {boundary - end} bytes that belong to no entry")


def _fault(code: str, info: zipfile.ZipInfo, predicate: str) -> Fault:
    name = _name(info)
    return Fault(Stage.ARCHIVE, code, f"The entry {quoted(name)} {predicate}", printable(name))
