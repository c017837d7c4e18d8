"""The RECORD of an installed package: which files are its own (PyPA: recording installed projects).

It comes with the package and may hold anything, as long as it likes: it is read line by line up to a bound, no link is
followed to it, and what it names is never opened here.
"""

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

_MAX_BYTES = 64 * 1024 * 1024
_MAX_LINE_CHARACTERS = 64 * 1024
_MAX_HASH_CHARACTERS = 256
_PLAIN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def records(packages: Path) -> Iterator[tuple[str, Path]]:
    """Each package of an environment that has a RECORD: its name, in canonical form, and where that lies; sorted.

    The name is that of a folder, which may be none that a package can have.
    """
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        if not record.parent.is_symlink():
            name, _, _ = record.parent.name.removesuffix(".dist-info").partition("-")
            yield canonicalize_name(name), record


def read(record: Path) -> Iterator[tuple[str, str]]:
    """The lines of a RECORD that can be understood: path and hash, as they are written.

    One that is no plain file, or is larger than 64 MiB, has none.

    :raises OSError: when it cannot be read.
    """
    facts = record.lstat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MAX_BYTES:
        return
    with os.fdopen(os.open(record, _PLAIN), encoding="utf-8", errors="replace") as file:
        while line := file.readline(_MAX_LINE_CHARACTERS):
            try:
                row = next(csv.reader([line]), [])
            except csv.Error:
                continue
            if row:
                yield row[0], row[1][:_MAX_HASH_CHARACTERS] if len(row) > 1 else ""
