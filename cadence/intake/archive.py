"""From an archive to a folder: everything that makes a ZIP file safe to unpack, in order.

The structure of the container first (:mod:`~cadence.intake.container`), then the names in it
(:mod:`~cadence.intake.tree`), then the bytes that really come out (:mod:`~cadence.intake.extraction`).
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from cadence.errors import InvalidArchive
from cadence.intake.container import Entry, read_entries
from cadence.intake.disk import full_disk_refused
from cadence.intake.extraction import Unpacker, make_folder
from cadence.intake.faults import bounded
from cadence.intake.limits import ArchiveLimits, bytes_in_words
from cadence.intake.tree import PathParts, collisions, name_faults, plugin_tree
from cadence.model import Fault, Stage, Upload


class Extraction(Struct, frozen=True):
    """What was unpacked: the folder, the files in it (relative paths with ``/``, sorted) and the bytes they hold."""

    directory: Path
    files: tuple[str, ...]
    unpacked_bytes: int


def extract(
    upload: Upload, destination: Path, limits: ArchiveLimits, go_on: Callable[[], object] = lambda: None
) -> Extraction:
    """Unpack an archive into a folder that is made for it.

    Junk is left out and a single folder around all files stepped into. Files get mode 0644 and folders 0755,
    whatever the archive says; nothing is written through a link. The caller makes the folder durable when it
    publishes it.

    :param destination: where the folder is to be; nothing may be there yet, and its parent must exist.
    :param go_on: is called again and again meanwhile; what it raises ends it, and the folder is gone then.
    :raises InvalidArchive: with every fault found; the folder is gone then.
    :raises StorageFull: when the disk has no room; the folder is gone then.
    :raises FileExistsError: when something is at ``destination``; it is left alone.
    """
    with Path(upload.path).open("rb") as file:
        tree = _checked_tree(file, limits)
        with full_disk_refused("unpack the archive"), _fresh_folder(destination):
            unpacker = Unpacker(file, upload.size_bytes, limits, go_on)
            _refuse(unpacker.unpack(tree, destination))
    files = sorted("/".join(path) for path, entry in tree.items() if not entry.is_directory)
    return Extraction(destination, tuple(files), unpacker.unpacked_bytes)


def _checked_tree(file: BinaryIO, limits: ArchiveLimits) -> Mapping[PathParts, Entry]:
    entries, faults = read_entries(file, limits.max_archive_entries)
    for entry in entries:
        faults.extend(name_faults(entry, limits))
    faults.extend(collisions(entries))
    faults.extend(_claimed_too_large(entries, limits))
    _refuse(faults)
    tree = plugin_tree(entries)
    if all(entry.is_directory for entry in tree.values()):
        _refuse([Fault(Stage.ARCHIVE, "empty_archive", "The archive has no files in it")])
    return tree


def _claimed_too_large(entries: Iterable[Entry], limits: ArchiveLimits) -> Iterator[Fault]:
    """Spare the disk where the archive itself says that it is too large; what it does not say is counted later."""
    claimed = sum(entry.unpacked_bytes for entry in entries)
    if claimed > limits.max_unpacked_bytes:
        most, size = bytes_in_words(limits.max_unpacked_bytes), bytes_in_words(claimed)
        yield Fault(Stage.ARCHIVE, "unpacked_too_large", f"The archive would unpack to {size}; {most} are allowed")


def _refuse(faults: Iterable[Fault]) -> None:
    if found := bounded(faults):
        raise InvalidArchive(faults=found)


@contextmanager
def _fresh_folder(path: Path) -> Iterator[None]:
    """Make a folder, and remove it with all that is in it when the block fails."""
    make_folder(path)
    try:
        yield
    except BaseException:
        shutil.rmtree(path)
        raise
