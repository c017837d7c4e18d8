"""Installs and checks: following them, their logs, their end on request; and the packages they left on the disk."""

from flask import Response, request

from cadence.errors import InvalidRequest, NotFound
from cadence.web.api import answers
from cadence.web.api.plugins import services
from cadence.web.api.replies import reply

#: The highest number of a line that can be asked for; no log is as long.
_MAX_LINE = 10**9


def installs() -> Response:
    """List the latest installs."""
    return reply(answers.InstallList(installs=tuple(services().recent_installs())))


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
