"""The past of plugins: what is asked for in an address, and the entries that answer it."""

from collections.abc import Mapping
from typing import Any

from flask import request

from cadence.errors import InvalidRequest
from cadence.intake.faults import printable
from cadence.origin import OriginKind
from cadence.parts import Parts
from cadence.web.history_views import KINDS, TOPICS, HistoryAsked, HistoryPage, history_page

QUERY: Mapping[str, Mapping[str, Any]] = {
    "kind": {
        "enum": list(KINDS),
        "description": f"This kind of entries only, or one of several kinds: {', '.join(one.key for one in TOPICS)}",
    },
    "version": {"type": "string", "description": "What is about this version only, or led away from it"},
    "origin": {"enum": [kind.value for kind in OriginKind], "description": "What was done in this way only"},
    "before": {"type": "string", "description": "What another page has as `next`: older entries are answered"},
}
_LONGEST_VERSION = 200


class HistoryServices:
    """Reading the past. The index is read, so it works with and without a runtime."""

    _parts: Parts

    def history(self, name: str | None, asked: HistoryAsked, limit: int) -> HistoryPage:
        """What happened to one plugin, or to all, newest first; also to one that was deleted.

        :raises InvalidRequest: where it is asked for from a page that there is not.
        :raises NotFound: when nothing is known of the plugin.
        """
        return history_page(self._parts.index, name, asked, limit)

    def history_versions(self, name: str) -> list[str]:
        """The versions that the history of a plugin tells of, the highest first."""
        return self._parts.index.history_versions(name)


def asked_for() -> HistoryAsked:
    """What the query string of the request asks for. An empty parameter is one that is not there.

    :raises InvalidRequest: with every fault.
    """
    faults = []
    kind, origin, version = _text("kind"), _text("origin"), _text("version")
    if kind is not None and kind not in KINDS:
        faults.append(f"kind must be one of {', '.join(KINDS)}, not {_shown(kind)}.")
    if origin is not None and origin not in set(OriginKind):
        faults.append(f"origin must be one of {', '.join(OriginKind)}, not {_shown(origin)}.")
    if version is not None and len(version) > _LONGEST_VERSION:
        faults.append(f"version must be at most {_LONGEST_VERSION} characters long, not {len(version)}.")
    if faults:
        raise InvalidRequest(*faults)
    return HistoryAsked(kind, version, OriginKind(origin) if origin else None, _text("before"))


def _text(name: str) -> str | None:
    return request.args.get(name, "").strip() or None


def _shown(text: str) -> str:
    return printable(repr(text[:40]))
