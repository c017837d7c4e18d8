"""Names that may become part of a path."""

from cadence.errors import InvalidFilename

LONGEST_COMPONENT_BYTES = 240
"""NAME_MAX is 255 on the file systems in use; the rest is room for ``.zip`` and ``.lock``."""


def safe_component(text: str) -> str:
    """``text`` itself, when it can be the name of one file directly inside a folder of ours.

    :raises InvalidFilename: when it could name anything else: a parent, a path, a hidden entry such as our staging.
    """
    if not text or text.startswith(".") or not text.isprintable() or set(text) & set("/\\"):
        raise InvalidFilename(f"{text!r} cannot be used as a name for a file.")
    if len(text.encode()) > LONGEST_COMPONENT_BYTES:
        raise InvalidFilename(f"The name {text[:40]!r}… is longer than {LONGEST_COMPONENT_BYTES} bytes.")
    return text
