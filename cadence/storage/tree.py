"""Trees of files: walked safely, copied as links, digested, written through to the disk.

A folder that somebody put into the store by hand can hold anything, and can change while it is read. So a tree is
walked by descriptors and not by paths: a link is never followed, and a folder that is swapped meanwhile is read to
its end as the one it was.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cadence.errors import NotFound, ValidationFailed
from cadence.model import Fault

IGNORED = frozenset({"__pycache__", "__MACOSX", ".git", ".DS_Store", "Thumbs.db"})
"""Left by tools; no part of a plugin."""

DEEPEST_FOLDER = 64
"""Nested folders a tree may have. An upload is limited more strictly; this one bounds what was put here by hand."""

_SNAPSHOT_ATTEMPTS = 5
_NO_LINK_ERRORS = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Entry(NamedTuple):
    """One file or folder of a tree: its ``name`` in the open folder ``parent``, its path ``relative`` to the root."""

    parent: int
    name: str
    relative: str
    is_folder: bool


@contextlib.contextmanager
def opened(path: str | Path, flags: int, parent: int | None = None) -> Iterator[int]:
    """The descriptor of a file or folder, closed at the end of the ``with`` block."""
    descriptor = os.open(path, flags, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def walk(folder: int, prefix: str = "", depth: int = 0) -> Iterator[Entry]:
    """Everything below an open folder, in one fixed order, a folder before what is in it.

    :raises ValidationFailed: for a link, a device, a pipe or a socket, by its path, and for a tree too deep.
    """
    with os.scandir(folder) as listing:
        children = sorted((child for child in listing if child.name not in IGNORED), key=lambda child: child.name)
    for child in children:
        entry = Entry(folder, child.name, prefix + child.name, child.is_dir(follow_symlinks=False))
        if entry.is_folder and depth == DEEPEST_FOLDER:
            raise _refused(entry.relative, "folder_too_deep", "lies in too many folders", "Flatten the tree")
        if not entry.is_folder and not child.is_file(follow_symlinks=False):
            remedy = "Put a plain file in its place, or remove it"
            raise _refused(entry.relative, "special_file", "is a link or a device", remedy)
        yield entry
        if entry.is_folder:
            with opened(child.name, _OPEN_FOLDER, folder) as descriptor:
                yield from walk(descriptor, f"{entry.relative}/", depth + 1)


def snapshot(source: Path, into: Path) -> None:
    """A private copy of a tree, made of hard links, or of copies where links are impossible.

    The folder may be swapped for another at any moment: the snapshot is then of the one or of the other, not mixed.
    (Whoever edits a file in place, without writing a new one, edits its links too.)

    :param into: a folder that does not exist yet.
    :raises NotFound: when there is no folder ``source``.
    :raises ValidationFailed: when it holds something that is neither a file nor a folder. Nothing is left then.
    """
    for _ in range(_SNAPSHOT_ATTEMPTS):
        try:
            if _try_snapshot(source, into):
                return
        except FileNotFoundError:  # swapped and deleted while we walked, or not there at all
            if not source.is_dir():
                raise NotFound(f"The folder {source.name} is missing from the store.") from None
    raise NotFound(f"The folder {source.name} changes too often to be read.")


def digest(source: Path) -> str:
    """A SHA-256 in hexadecimal over the paths and contents of a tree; it changes with any edit.

    :raises NotFound: when there is no such folder.
    :raises ValidationFailed: as :func:`snapshot` does.
    """
    total = hashlib.sha256()
    try:
        with opened(source, _OPEN_FOLDER) as root:
            for entry in walk(root):
                total.update(_fingerprint(entry))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"The folder {source.name} is missing from the store, or a file of it.") from None
    return total.hexdigest()


def size_of(source: Path) -> int:
    """What the files of a folder hold together, in bytes."""
    with opened(source, _OPEN_FOLDER) as root:
        entries = (entry for entry in walk(root) if not entry.is_folder)
        return sum(os.stat(entry.name, dir_fd=entry.parent, follow_symlinks=False).st_size for entry in entries)


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's contents in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_tree(source: Path) -> None:
    """Write every file and folder of a tree through to the disk."""
    with opened(source, _OPEN_FOLDER) as root:
        for entry in walk(root):
            with opened(entry.name, _OPEN_FILE, entry.parent) as descriptor:
                os.fsync(descriptor)
        os.fsync(root)


def sync_path(path: Path) -> None:
    """Write one file, or the list of names in one folder, through to the disk."""
    with opened(path, os.O_RDONLY | os.O_CLOEXEC) as descriptor:
        os.fsync(descriptor)


def remove_tree(path: Path) -> None:
    """Delete a tree as far as possible; what is left is swept away by the next recovery. It may be gone already."""
    try:
        shutil.rmtree(path, ignore_errors=True)
    except RecursionError:
        # A plugin may nest its folders deeper than Python recurses; rm(1) does not recurse.
        subprocess.run(["/bin/rm", "-rf", "--", str(path)], check=False)  # noqa: S603  (no shell, and a path of ours)


def _try_snapshot(source: Path, into: Path) -> bool:
    """Whether the snapshot is of one state of the folder. If not, or on an error, nothing is left of it."""
    into.mkdir(parents=True)
    whole = False
    try:
        with opened(source, _OPEN_FOLDER) as root:
            for entry in walk(root):
                _copy(entry, into / entry.relative)
            # A folder that was swapped out is deleted soon after; files may have been missing from the listing.
            whole = os.path.samestat(os.fstat(root), source.stat())
    except NotADirectoryError:
        raise NotFound(f"{source.name} in the store is not a folder.") from None
    finally:
        if not whole:
            remove_tree(into)
    return whole


def _copy(entry: Entry, target: Path) -> None:
    if entry.is_folder:
        target.mkdir()
        return
    try:
        os.link(entry.name, target, src_dir_fd=entry.parent, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK_ERRORS:
            raise
        _copy_bytes(entry, target)


def _copy_bytes(entry: Entry, target: Path) -> None:
    with opened(entry.name, _OPEN_FILE, entry.parent) as descriptor:
        mode = os.fstat(descriptor).st_mode
        with open(descriptor, "rb", closefd=False) as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
            os.fchmod(copy.fileno(), stat.S_IMODE(mode) & 0o777)


def _fingerprint(entry: Entry) -> bytes:
    """A hash of one entry's kind, path and contents, so that neither can run into the next."""
    hashed = hashlib.sha256(
        f"{'folder' if entry.is_folder else 'file'} {entry.relative}\0".encode(errors="surrogateescape")
    )
    if not entry.is_folder:
        with opened(entry.name, _OPEN_FILE, entry.parent) as descriptor, open(descriptor, "rb", closefd=False) as file:
            hashed.update(hashlib.file_digest(file, "sha256").digest())
    return hashed.digest()


def _refused(relative: str, code: str, what: str, remedy: str) -> ValidationFailed:
    return ValidationFailed(faults=[Fault("inspect", code, f"{relative} {what}. {remedy}.", relative)])
