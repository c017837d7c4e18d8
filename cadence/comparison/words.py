"""Text from a plugin, fit to stand in a sentence: one line, printable, and not too long. And how JSON values read."""

from collections.abc import Iterable
from typing import Any

import msgspec

MAX_NAME_CHARACTERS = 120
MAX_TEXT_CHARACTERS = 400
MAX_VALUE_CHARACTERS = 80


def printable(text: str, most: int = MAX_TEXT_CHARACTERS) -> str:
    """A text with what is not printable escaped (line ends and marks that turn text around too), cut at ``most``."""
    cut = text[:most]
    shown = cut if cut.isprintable() else "".join(map(_visible, cut))
    return shown if len(text) <= most and len(shown) <= most else f"{shown[: most - 1]}…"


def named(name: str) -> str:
    """The name of an argument, a tool, or a file as it stands in a sentence."""
    shown = printable(name, MAX_NAME_CHARACTERS).replace("`", "'")  # none may end the quotes
    return f"`{shown}`"


def quoted(text: str, most: int = MAX_TEXT_CHARACTERS) -> str:
    """A text as it stands in a sentence."""
    return f"“{printable(text, most)}”"


def value_words(value: Any) -> str:
    """A JSON value as it stands in a sentence: as JSON, cut where it is long."""
    try:
        text = msgspec.json.encode(value).decode()
    except (RecursionError, msgspec.MsgspecError, TypeError, ValueError):
        return "a value that cannot be shown"
    return printable(text, MAX_VALUE_CHARACTERS)


def in_words(items: Iterable[str], last: str = "or") -> str:
    """Some words as a list: ``a, b or c``."""
    words = list(items)
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def same_json(old: Any, new: Any) -> bool:
    """Whether two JSON values are the same; ``1`` and ``true`` are not. False for what is nested too deeply to tell."""
    if old is new:
        return True
    try:
        return msgspec.json.encode(old, order="sorted") == msgspec.json.encode(new, order="sorted")
    except (RecursionError, msgspec.MsgspecError, TypeError, ValueError):
        return False


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
