"""The files of an unpacked plugin as they lie there now: their sizes and digests, and the contents of one.

A folder in the store may have been edited by hand, and may change while it is read. It is walked by descriptors, links
are not followed, and so much is read of it and no more.
"""

import hashlib
import os
import stat
from contextlib import ExitStack
from pathlib import Path

from cadence.comparison import FileContents, FileFacts
from cadence.comparison.texts import MAX_TEXT_BYTES
from cadence.errors import ValidationFailed
from cadence.storage.tree import DEEPEST_FOLDER, IGNORED, Entry, opened, walk

#: Files of a version that are compared; uploads are limited more strictly, this bounds what was put there by hand.
MAX_FILES = 20_000
#: Bytes of a version that are read for its digests.
MAX_BYTES = 1024**3

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_GONE = "The files of {name} cannot be read: its folder is not in the store, or changes right now."
_TOO_LARGE = "The files of {name} are too many or too large to be compared."


def file_facts(folder: Path, name: str) -> dict[str, FileFacts] | str:
    """What every file of a plugin is, by its path in it.

    :param name: what the plugin is called in a sentence.
    :returns: or a sentence that says why that is not known.
    """
    facts: dict[str, FileFacts] = {}
    left_bytes = MAX_BYTES
    try:
        with opened(folder, _FOLDER) as root:
            for entry in walk(root):
                if entry.is_folder:
                    continue
                one = _facts(entry, left_bytes)
                if one is None or len(facts) == MAX_FILES:
                    return _TOO_LARGE.format(name=name)
                left_bytes -= one.size_bytes
                facts[_text(entry.relative)] = one
    except OSError:
        return _GONE.format(name=name)
    except ValidationFailed as refused:  # a link, a device, a tree too deep
        return f"The files of {name} are not compared: {refused.in_words}"
    return facts


def contents(folder: Path, path: str) -> FileContents | None:
    """One file, as much of it as is compared line by line.

    :param path: in the plugin, with ``/``, from a request.
    :returns: None where there is no such file; a link, a folder or what is ignored in a plugin is none.
    """
    *folders, name = path.split("/")
    if len(folders) > DEEPEST_FOLDER or any(part in ("", ".", "..") or part in IGNORED for part in (*folders, name)):
        return None
    try:
        with ExitStack() as stack:
            parent = stack.enter_context(opened(folder, _FOLDER))
            for part in folders:
                parent = stack.enter_context(opened(part, _FOLDER, parent))
            return _read(stack.enter_context(opened(name, _FILE, parent)))
    except (OSError, ValueError):  # not there, a link, or a name that no file can have
        return None


def _read(descriptor: int) -> FileContents | None:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        return None
    with open(descriptor, "rb", closefd=False) as stream:
        start = stream.read(MAX_TEXT_BYTES + 1)
    return FileContents(start, max(len(start), facts.st_size if len(start) > MAX_TEXT_BYTES else 0))


def _facts(entry: Entry, most_bytes: int) -> FileFacts | None:
    """One file's size and digest; None when it is larger than ``most_bytes``."""
    digest, size_bytes = hashlib.sha256(), 0
    with opened(entry.name, _FILE, entry.parent) as descriptor, open(descriptor, "rb", closefd=False) as stream:
        while chunk := stream.read(1 << 20):
            size_bytes += len(chunk)
            if size_bytes > most_bytes:
                return None
            digest.update(chunk)
    return FileFacts(size_bytes, digest.hexdigest())


def _text(path: str) -> str:
    """A path as text: bytes that are no UTF-8 are shown as such."""
    return os.fsencode(path).decode(errors="backslashreplace")
