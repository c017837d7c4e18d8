"""Installs and checks: following them, their logs, their end on request; and the packages they left on the disk."""

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from cadence.errors import InvalidRequest, NotFound
from cadence.model import InstallState
from cadence.web.api import answers
from cadence.web.api.plugins import services
from cadence.web.api.replies import reply

#: The highest number of a line that can be asked for; no log is as long.
_MAX_LINE = 10**9


DEFAULT_INSTALLS = 10
MOST_INSTALLS = 200

QUERY: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_INSTALLS, "default": DEFAULT_INSTALLS},
    "after": {"type": "string", "description": "The id of an install, for those that began before it"},
    "plugin": {"type": "string", "description": "Those of this plugin only"},
    "state": {"enum": [state.value for state in InstallState], "description": "Those that stand so only"},
}


def installs() -> Response:
    """List the latest installs, and what is coming in."""
    limit, state = request.args.get("limit", ""), request.args.get("state", "")
    faults = []
    if limit and not (limit.isascii() and limit.isdecimal() and len(limit) <= 3 and 1 <= int(limit) <= MOST_INSTALLS):
        faults.append(f"limit must be a number from 1 to {MOST_INSTALLS}, not {limit[:40]!r}.")
    if state and state not in list(InstallState):
        faults.append(f"state must be one of {', '.join(InstallState)}, not {state[:40]!r}.")
    if faults:
        raise InvalidRequest(*faults)
    found = services().installs(
        int(limit) if limit else DEFAULT_INSTALLS,
        after=request.args.get("after") or None,
        name=request.args.get("plugin") or None,
        state=InstallState(state) if state else None,
    )
    return reply(answers.InstallList(installs=tuple(found), incoming=tuple(services().incoming())))


def install(install_id: str) -> Response:
    """One install, running or over."""
    view = services().install(install_id)
    if view is None:
        raise NotFound(f"There is no install {install_id!r}.")
    return reply(answers.InstallAnswer(install=view))


def cancel(install_id: str) -> Response:
    """End an install."""
    return reply(answers.InstallAnswer(install=services().cancel(install_id)))


def log(install_id: str) -> Response:
    """What an install has said so far."""
    state, lines = services().install_log(install_id, _after())
    return reply(
        answers.InstallLog(lines=tuple(answers.LogLine(one.n, one.stage, one.text) for one in lines), state=state)
    )


def environments() -> Response:
    """The environments of packages."""
    return reply(answers.EnvironmentList(environments=tuple(services().environments())))


def _after() -> int:
    text = request.args.get("after", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_MAX_LINE)) and int(text) <= _MAX_LINE):
        raise InvalidRequest(f"after must be the number of a line, not {text[:40]!r}.")
    return int(text)
