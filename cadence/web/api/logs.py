"""The log of a plugin."""

from typing import Literal

from flask import Response
from msgspec import Struct

from cadence.runtime.log_lines import LogLine
from cadence.web.api.plugins import services
from cadence.web.api.replies import reply
from cadence.web.logs import asked_for


class LogAnswer(Struct, frozen=True, kw_only=True):
    """Lines of a log, in the order of time. ``cursor`` is what to give as ``after`` for those behind them.

    ``gap`` is how many bytes of log went, because no more is kept, between ``after`` and the first of them; ``more``
    says that there are lines behind ``cursor`` already.
    """

    success: Literal[True] = True
    plugin_name: str
    lines: tuple[LogLine, ...]
    cursor: str
    gap: int
    more: bool


def logs(name: str) -> Response:
    """Read the log of a plugin; wakes nothing."""
    page = services().log(name, asked_for())
    return reply(LogAnswer(plugin_name=name, lines=page.lines, cursor=page.cursor, gap=page.gap, more=page.more))
