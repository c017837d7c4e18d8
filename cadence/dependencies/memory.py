"""What was resolved once and is taken again: an archive gets the same lock until an upgrade is asked for."""

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from cadence.dependencies.host import SDK
from cadence.dependencies.lock import Lock, retrace

# Rises when what was kept before must not be taken any more.
_FORMAT = 1


def digest_of(inputs: Mapping[str, object]) -> str:
    """What tells the inputs of one resolution from those of others: strings, numbers, and sequences of them.

    :returns: a SHA-256, in hexadecimal.
    """
    text = msgspec.json.encode({"format": _FORMAT, **inputs}, order="sorted")
    return hashlib.sha256(text).hexdigest()


def write(lock: Lock) -> str:
    """A lock as text, to be kept."""
    return msgspec.json.encode(lock).decode()


def read(text: str) -> Lock | None:
    """A lock that was kept; None where it cannot be read any more."""
    try:
        lock = msgspec.json.decode(text, type=Lock)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return lock if lock.packages else None


def recall(text: str | None, declared: Mapping[str, str], reasons: tuple[str, ...]) -> Lock | None:
    """A lock that was kept, perhaps for another plugin that came to the same; None where there is none to be read.

    :param declared: canonical name to requirement, for those that this plugin declared.
    :param reasons: why this one has to be isolated, where that is known without a resolution.
    """
    lock = None if text is None else read(text)
    if lock is None:
        return None
    lock = retrace(lock, declared, SDK if lock.isolated else "")
    return replace(lock, isolated=reasons) if lock.isolated and reasons else lock
