"""What happened to a plugin, or to all, and on whose word.

What is looked at is in the address: which kind, version and origin, and from where on. It follows by itself with that.
"""

from flask import Response, render_template
from msgspec import Struct
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import NotFound
from cadence.web.htmx import is_htmx
from cadence.web.pages.fragments import conditional
from cadence.web.pages.history_fields import history_fields, whole_history_fields
from cadence.web.pages.plugin import tab_page
from cadence.web.pages.services import services


class _Name(Struct, frozen=True):
    """A plugin that is not installed, as the template that is part of a plugin's page wants to have it."""

    name: str


def history(name: str) -> AnyResponse:
    """``GET /plugins/<name>/history?kind=&version=&origin=&before=``: the page, also of a plugin that was deleted.

    :raises InvalidRequest: when what is asked for makes no sense.
    """
    try:
        return tab_page(name, "history")
    except NotFound:
        fields = {**history_fields(name), "deleted": services().deleted(name)}
        return Response(render_template("plugins/history_of_gone.html", plugin=_Name(name), **fields))


def whole_history() -> AnyResponse:
    """``GET /history?plugin=&kind=&origin=&before=``: the page; for htmx its entries, 304 when it has them so.

    :raises InvalidRequest: when what is asked for makes no sense.
    """
    fields = whole_history_fields()
    if is_htmx():
        return conditional(lambda: render_template("history/partials/entries.html", **fields), fields["tag"])
    return Response(render_template("history/page.html", **fields))
