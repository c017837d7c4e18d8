"""The room that the packages of an environment take on the disk, each by itself.

A package's files are those that its RECORD names, and what Python compiled of them. Only files that were found in the
environment count, with the room that they take there: what a RECORD says of places elsewhere, or of sizes, is nothing.
"""

from collections import defaultdict
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from msgspec import Struct
from packaging.utils import is_normalized_name

from cadence.dependencies import record, tree

_COMPILED, _CACHE = ".pyc", "__pycache__"
_REMEMBERED = 256


class Room(Struct, frozen=True):
    """``size_bytes`` is the room of all, folders included; ``packages`` that of each, by canonical name.

    A package without a RECORD is not among them.
    """

    size_bytes: int
    packages: dict[str, int]


def taken(packages: Path) -> Room | None:
    """The room that the packages of an environment take; None where it is not there, or is being removed.

    It is worked out once, and remembered for as long as the folder stays the same: nothing in an environment changes
    once it has its name. For numpy, 1,500 files, the first time takes some 15 ms.

    :param packages: the folder of the environment.
    """
    try:
        facts = packages.lstat()
        return _measured(packages, facts.st_ino, facts.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=_REMEMBERED)
def _measured(packages: Path, _inode: int, _changed_ns: int) -> Room:
    total, files = 0, {}
    for entry in tree.walk(packages):
        total += entry.size_bytes
        if entry.is_file:
            files[entry.path] = entry.size_bytes
    owners = _owners(packages, files)
    sizes: dict[str, int] = defaultdict(int)
    for path, size in files.items():
        owner = owners.get(path) or owners.get(_source(path))
        if owner is not None:
            sizes[owner] += size
    return Room(total, dict(sizes))


def _owners(packages: Path, files: Collection[str]) -> dict[str, str]:
    """The package of each file that one claims; of several the first."""
    owners: dict[str, str] = {}
    for name, place in record.records(packages):
        for path, _ in record.read(place) if is_normalized_name(name) else ():
            if path in files:
                owners.setdefault(path, name)
    return owners


def _source(path: str) -> str:
    """What a compiled file was compiled from (PEP 3147); empty for any other."""
    folder, _, name = path.rpartition("/")
    parent, _, last = folder.rpartition("/")
    if last != _CACHE or not name.endswith(_COMPILED):
        return ""
    return f"{parent}/{name.rsplit('.', 2)[0]}.py".lstrip("/")
