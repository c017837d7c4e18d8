"""Wheel files that lie at hand: what their names and their METADATA say, read without trusting them.

By the PyPA specifications: binary distribution format (file names, ``.dist-info``), core metadata, platform
compatibility tags. A file may come from an upload: links are not followed, and nothing is read without a bound.
"""

import contextlib
import functools
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from email.policy import compat32
from io import BufferedReader
from lzma import LZMAError
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

#: How a wheel's file name ends.
SUFFIX = ".whl"
_MAX_METADATA_BYTES = 1024 * 1024
_MAX_REQUIREMENT_CHARACTERS = 1000
_MAX_SHOWN_CHARACTERS = 80
# Some 80,000 files: more than any wheel has, and little enough to be read.
_MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
_END = struct.Struct("<4s4H2LH")  # end of central directory record (APPNOTE 4.3.16)
_LOCATOR_BYTES, _MAX_COMMENT_BYTES = 20, 0xFFFF
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
    LookupError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
)


class BrokenWheelError(Exception):
    """A file that is no wheel, in words to stand behind its name."""


class LocalWheel(Struct, frozen=True):
    """A wheel file as its file name describes it: canonical package name, version, tags."""

    path: Path
    filename: str
    name: str
    version: Version
    build: tuple[()] | tuple[int, str]
    tags: frozenset[Tag]

    @property
    def fits(self) -> bool:
        """Whether it is for this Python and platform."""
        return not self.tags.isdisjoint(_ranks())

    @property
    def rank(self) -> tuple[int, tuple[()] | tuple[int, str]]:
        """The higher the better: what an installer takes of several of one version."""
        ranks = _ranks()
        return -min((ranks[tag] for tag in self.tags if tag in ranks), default=len(ranks)), self.build

    @property
    def pin(self) -> str:
        """``name==version``."""
        return f"{self.name}=={self.version}"


class Metadata(Struct, frozen=True):
    """The fields of a METADATA file that count here; ``requires`` without the requirements nobody can read."""

    name: str
    version: Version
    requires: tuple[Requirement, ...]


@functools.cache
def _ranks() -> Mapping[Tag, int]:
    """The tags of this Python and platform, the closest first."""
    ranks: dict[Tag, int] = {}
    for tag in sys_tags():
        ranks.setdefault(tag, len(ranks))
    return MappingProxyType(ranks)


def tag_rank(filename: str) -> int | None:
    """How close a wheel's name is to this Python and platform, 0 the closest; None where it does not fit."""
    try:
        tags = parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return None
    return min((_ranks()[tag] for tag in tags if tag in _ranks()), default=None)


def identify(path: Path) -> LocalWheel:
    """What a wheel's file name says.

    :raises BrokenWheelError: when it is not the name of one.
    """
    try:
        name, version, build, tags = parse_wheel_filename(path.name)
    except (InvalidWheelFilename, InvalidVersion):
        raise BrokenWheelError("its name is not that of a wheel, name-version-python-abi-platform.whl") from None
    return LocalWheel(path, path.name, name, version, build, tags)


def check(wheel: LocalWheel) -> str:
    """Hold a wheel's METADATA against its file name.

    :returns: the SHA-256 of the file, in hexadecimal.
    :raises BrokenWheelError: when it cannot be read, or says otherwise.
    """
    with _opened(wheel.path) as file:
        metadata = _metadata(file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if (metadata.name, metadata.version) != (wheel.name, wheel.version):
        said = f"{metadata.name} {metadata.version}"[:_MAX_SHOWN_CHARACTERS]
        raise BrokenWheelError(f"its name says {wheel.name} {wheel.version}, its METADATA {said}")
    return digest


def read_metadata(path: Path) -> Metadata:
    """The METADATA of a wheel.

    :raises BrokenWheelError: when it cannot be read.
    """
    with _opened(path) as file:
        return _metadata(file)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    :raises BrokenWheelError: when it cannot be read.
    """
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """A plain file, whatever its folder's owner puts in its place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BrokenWheelError("it is not a plain file")
            yield file
    except OSError as error:
        words = "it is not a plain file" if path.is_symlink() else f"it cannot be read ({error.strerror})"
        raise BrokenWheelError(words) from None


def _metadata(file: BufferedReader) -> Metadata:
    try:
        _require_small_directory(file)
        with zipfile.ZipFile(file) as archive:
            headers = HeaderParser(policy=compat32).parsestr(_text(archive))
        name = canonicalize_name(str(headers.get("Name", "")), validate=True)
        version = Version(str(headers.get("Version", "")))
    except (InvalidName, InvalidVersion):
        raise BrokenWheelError("its METADATA has no name and version that can be read") from None
    except _UNREADABLE:
        raise BrokenWheelError("it is damaged, or no wheel at all") from None
    requires = (_requirement(str(line)) for line in headers.get_all("Requires-Dist", ()))
    return Metadata(name, version, tuple(one for one in requires if one is not None))


def _text(archive: zipfile.ZipFile) -> str:
    found = [
        entry
        for entry in archive.infolist()
        if entry.filename.endswith(".dist-info/METADATA") and entry.filename.count("/") == 1
    ]
    if len(found) != 1:
        raise BrokenWheelError("it does not have one METADATA file")
    with archive.open(found[0]) as entry:
        content = entry.read(_MAX_METADATA_BYTES + 1)
    if len(content) > _MAX_METADATA_BYTES:
        raise BrokenWheelError(f"its METADATA is larger than {_MAX_METADATA_BYTES} bytes")
    return content.decode("utf-8", "replace")


def _require_small_directory(file: BufferedReader) -> None:
    """Refuse a ZIP file whose list of files could fill the memory; it is what is read as a whole."""
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - _MAX_COMMENT_BYTES - _END.size - _LOCATOR_BYTES))
    tail = file.read(size - start)
    # As zipfile finds it: at the very end without a comment, or else the last one.
    at = len(tail) - _END.size
    if at < 0 or not (tail.startswith(b"PK\5\6", at) and tail.endswith(b"\0\0")):
        at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile
    directory_bytes = _END.unpack_from(tail, at)[5]
    if directory_bytes > _MAX_DIRECTORY_BYTES or tail[max(0, at - _LOCATOR_BYTES) : at].startswith(b"PK\6\7"):
        raise BrokenWheelError("it lists more files than a wheel has")
    file.seek(0)


def _requirement(line: str) -> Requirement | None:
    try:
        return Requirement(line) if len(line) <= _MAX_REQUIREMENT_CHARACTERS else None
    except (InvalidRequirement, RecursionError):
        return None
