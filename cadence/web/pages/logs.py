"""The log of a plugin: a page, and the parts of it that a browser with scripts asks for.

A browser without them gets the last lines, and with the cursor in the address those behind them.
"""

from datetime import UTC, datetime

from flask import Response, render_template
from msgspec import Struct, structs
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import NotFound
from cadence.runtime.log_lines import LogFilter, LogPage
from cadence.web.htmx import is_htmx, respond
from cadence.web.logs import LogQuestion, asked_for
from cadence.web.pages.fragments import STOP_POLLING
from cadence.web.pages.plugin import tab_page
from cadence.web.pages.services import services


class _Owner(Struct, frozen=True):
    """Whose log it is, as the template that is part of a plugin's page wants to have it."""

    name: str


def logs(name: str) -> AnyResponse:
    """``GET /plugins/<name>/logs``: the page; for htmx the log alone, and with ``after`` the lines that are new.

    :raises InvalidRequest: when what is asked for makes no sense.
    """
    asked = asked_for()
    if is_htmx() and asked.after is not None:
        return _new_lines(name, asked)
    page = services().log(name, asked)
    if is_htmx():
        return respond(render_template("plugins/partials/log.html", **_fields(name, asked, page)))
    fields = _fields(name, asked, page)
    try:
        return tab_page(name, "logs", fields)
    except NotFound:
        return Response(render_template("plugins/logs_of_gone.html", plugin=_Owner(name), **fields))


def log_time(at: str, now: datetime | None = None) -> str:
    """When a line came, of an ISO 8601 moment: ``16:29:05.123``, with the day where that is not today's."""
    today = (now or datetime.now(UTC)).date().isoformat()
    return at[11:23] if at.startswith(today) else f"{at[:10]} {at[11:19]}"


def _new_lines(name: str, asked: LogQuestion) -> Response:
    """What is new, and what asks for the next; nothing where there is nothing new. Once the log is gone it is told."""
    try:
        page = services().log(name, asked)
        # A page does not run after a flood: it shows its end.
        shown = services().log(name, structs.replace(asked, after=None)) if page.more else page
    except NotFound:
        gone = render_template("plugins/partials/log_lines.html", gone=True, name=name)
        return respond(gone, status=STOP_POLLING)
    if page.cursor == asked.after:
        return Response(status=204)
    fields = _fields(name, asked, shown)
    return respond(render_template("plugins/partials/log_lines.html", skipped=page.more, **fields))


def _fields(name: str, asked: LogQuestion, page: LogPage) -> dict[str, object]:
    """What the templates take."""
    wanted = asked.wanted
    query = {"version": wanted.version, "level": wanted.level, "stream": wanted.stream, "q": wanted.search}
    return {
        "name": name,
        "log": page,
        "after": asked.after,
        "wanted": wanted,
        "filtered": wanted != LogFilter(),
        "query": {key: value for key, value in query.items() if value is not None},
    }
