"""The log of a plugin: what is asked for in an address, and the lines that answer it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from flask import request
from msgspec import Struct

from cadence.errors import InvalidRequest, NotFound
from cadence.intake.faults import printable
from cadence.parts import Parts
from cadence.runtime.log_lines import Level, LogFilter, LogPage, Stream

E = TypeVar("E", bound=StrEnum)

DEFAULT_LINES = 200
MOST_LINES = 1000
_LONGEST_SEARCH = 200

QUERY: Mapping[str, Mapping[str, Any]] = {
    "after": {
        "type": "string",
        "description": "The cursor of an earlier answer, for the lines behind it; 0 for the first that are kept."
        " Without it the last lines are answered",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LINES, "default": DEFAULT_LINES},
    "version": {"type": "string", "description": "Lines of this version only"},
    "level": {"enum": [level.value for level in Level], "description": "Lines of this level and above only"},
    "stream": {"enum": [stream.value for stream in Stream], "description": "Lines of this stream only"},
    "q": {
        "type": "string",
        "maxLength": _LONGEST_SEARCH,
        "description": "Lines with this text only, in upper or lower case",
    },
}


class LogQuestion(Struct, frozen=True):
    """Which lines are asked for. ``after`` None asks for the last."""

    after: str | None = None
    limit: int = DEFAULT_LINES
    wanted: LogFilter = LogFilter()


class LogServices:
    """Reading logs. The files are read, so it works with and without a runtime."""

    _parts: Parts

    def log(self, name: str, asked: LogQuestion) -> LogPage:
        """Lines of the log of a plugin: one that is installed, was, or never came so far.

        :raises NotFound: when nothing is known of it.
        :raises InvalidRequest: when what they are asked after is no cursor.
        """
        require_log(self._parts, name)
        return self._parts.log_files.read(name, asked.after, asked.limit, asked.wanted)


def require_log(parts: Parts, name: str) -> None:
    """See that there is or may be a log of a plugin.

    :raises NotFound: when nothing is known of it.
    """
    if name in parts.log_files.names() or parts.index.versions_of(name) or parts.index.deleted_versions(name):
        return
    raise NotFound(f"No plugin {name!r} is installed.")


def asked_for() -> LogQuestion:
    """What the query string of the request asks for. An empty parameter is one that is not there.

    :raises InvalidRequest: with every fault.
    """
    faults: list[str] = []
    level = _one_of(Level, "level", faults)
    stream = _one_of(Stream, "stream", faults)
    limit, search = _text("limit"), _text("q")
    if limit and not (limit.isascii() and limit.isdecimal() and len(limit) <= 4 and 1 <= int(limit) <= MOST_LINES):
        faults.append(f"limit must be a number from 1 to {MOST_LINES}, not {_shown(limit)}.")
    if search and len(search) > _LONGEST_SEARCH:
        faults.append(f"q must be at most {_LONGEST_SEARCH} characters long, not {len(search)}.")
    if faults:
        raise InvalidRequest(*faults)
    wanted = LogFilter(_text("version"), level, stream, search)
    return LogQuestion(_text("after"), int(limit) if limit else DEFAULT_LINES, wanted)


def _one_of(known: type[E], name: str, faults: list[str]) -> E | None:
    text = _text(name)
    for one in known:
        if text is not None and one.value.lower() == text.lower():
            return one
    if text is not None:
        faults.append(f"{name} must be one of {', '.join(known)}, not {_shown(text)}.")
    return None


def _text(name: str) -> str | None:
    return request.args.get(name, "").strip() or None


def _shown(text: str) -> str:
    return printable(repr(text[:40]))
