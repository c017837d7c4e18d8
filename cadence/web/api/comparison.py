"""What is different between two installed versions of a plugin."""

from collections.abc import Mapping
from typing import Any, Literal

from flask import Response, request
from msgspec import Struct

from cadence.comparison import Comparison
from cadence.comparison.texts import Kind
from cadence.errors import InvalidRequest
from cadence.web.api.plugins import services
from cadence.web.api.replies import reply

QUERY: Mapping[str, Mapping[str, Any]] = {
    "from": {"type": "string", "description": "The old version, which must be installed"},
    "to": {"type": "string", "description": "The new version, which must be installed"},
    "file": {"type": "string", "description": "The path of a file in the plugin, for what is different in it"},
}


class FileAnswer(Struct, frozen=True):
    """What is different in one file; ``kind`` is ``text`` where that can be shown, and ``words`` say what it is.

    ``diff`` is in the unified format, to be read and not to be applied: what is not printable in it is escaped, long
    lines and long differences are cut.
    """

    path: str
    kind: Kind
    words: str
    old_bytes: int | None
    new_bytes: int | None
    diff: str | None


class ComparisonAnswer(Struct, frozen=True, kw_only=True):
    """What is different, in one sentence and in full; ``file`` is null unless one was asked for."""

    success: Literal[True] = True
    message: str
    comparison: Comparison
    file: FileAnswer | None = None


def compare(name: str) -> Response:
    """Compare two installed versions."""
    old, new, path = _given("from"), _given("to"), request.args.get("file")
    comparison = services().compare(name, old, new)
    file = _file(name, old, new, path) if path else None
    return reply(ComparisonAnswer(message=comparison.summary(), comparison=comparison, file=file))


def _file(name: str, old: str, new: str, path: str) -> FileAnswer:
    found = services().file_difference(name, old, new, path)
    return FileAnswer(found.path, found.kind, found.words, found.old_bytes, found.new_bytes, found.unified)


def _given(name: str) -> str:
    text = request.args.get(name, "").strip()
    if not text:
        raise InvalidRequest(f"{name} is missing: name two installed versions, as in ?from=1.0.0&to=1.1.0.")
    return text
