"""Builds ZIP files byte by byte, also such as no honest writer would make."""

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

STORED, DEFLATED = 0, 8
REGULAR, SYMLINK, FIFO, DEVICE = 0o100644, 0o120777, 0o010644, 0o020644
DESCRIPTOR = 1 << 3


def deflated(data: bytes) -> bytes:
    """Raw deflate, as ZIP files hold it."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


@dataclass
class Forged:
    """One entry. ``local`` and ``central`` override fields in one of its two headers only."""

    name: bytes | str
    data: bytes = b"x = 1\n"
    method: int = DEFLATED
    flags: int = 0
    mode: int = REGULAR
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    extra: bytes = b""
    descriptor: bytes = b""
    gap_after: bytes = b""
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        packed = self.body()
        return {
            "name": self.name.encode() if isinstance(self.name, str) else self.name,
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.data) if self.crc is None else self.crc,
            "packed_bytes": len(packed),
            "size": len(self.data) if self.size is None else self.size,
            "extra": self.extra,
        }

    def body(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == DEFLATED else self.data


def local_record(entry: Forged) -> bytes:
    """Local file header and data."""
    f = entry.fields() | entry.local
    head = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 20, f["flags"], f["method"], 0, 0x21, f["crc"], f["packed_bytes"], f["size"],
        len(f["name"]), len(f["extra"]),
    )  # fmt: skip
    return head + bytes(f["name"]) + bytes(f["extra"]) + entry.body() + entry.descriptor + entry.gap_after


def central_record(entry: Forged, offset: int) -> bytes:
    """Central directory file header."""
    f = {"offset": offset} | entry.fields() | entry.central
    head = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, f.get("needed", 20), f["flags"], f["method"], 0, 0x21, f["crc"],
        f["packed_bytes"], f["size"], len(f["name"]), len(f["extra"]), 0, 0, 0, entry.mode << 16, f["offset"],
    )  # fmt: skip
    return head + bytes(f["name"]) + bytes(f["extra"])


def end_record(entries: int, directory_bytes: int, offset: int, comment: bytes = b"", disk: int = 0) -> bytes:
    """End of central directory record."""
    return (
        struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, entries, entries, directory_bytes, offset, len(comment))
        + comment
    )


def end_records64(entries: int, directory_bytes: int, offset: int, **lies: int) -> bytes:
    """ZIP64 end record, its locator, and an end record that is full everywhere."""
    position = offset + directory_bytes
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, directory_bytes, offset,
    )  # fmt: skip
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, lies.get("located", position), 1)
    return record + locator + end_record(lies.get("claimed", 0xFFFF), 0xFFFFFFFF, 0xFFFFFFFF)


def archive(
    *entries: Forged, comment: bytes = b"", count: int | None = None, zip64: dict[str, int] | None = None
) -> bytes:
    """A whole archive; ``count`` lies about the number of entries, ``zip64`` ends it the ZIP64 way."""
    body, directory = b"", b""
    for entry in entries:
        directory += central_record(entry, len(body))
        body += local_record(entry)
    number = len(entries) if count is None else count
    if zip64 is not None:
        return body + directory + end_records64(number, len(directory), len(body), **zip64)
    return body + directory + end_record(number, len(directory), len(body), comment)


PLUGIN_FILES = ("__init__.py", "plugin.py", "agent.py", "tools.py")


def plugin(*more: Forged, prefix: str = "") -> tuple[Forged, ...]:
    """The files of a plugin, and more."""
    return (*(Forged(prefix + name) for name in PLUGIN_FILES), *more)
