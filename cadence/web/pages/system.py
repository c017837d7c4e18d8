"""The System page, and the banner by which every page says that plugins are not confined as they should be."""

from flask import Response, render_template

from cadence.web.graph_layout import layout
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.chat_services import chat_services
from cadence.web.pages.limits import LIMITS
from cadence.web.pages.services import services


def system() -> Response:
    """``GET /system``: the sandbox layer by layer, the limits, the host."""
    return Response(render_template("system/page.html", system=services().system(), limits=LIMITS))


def graph() -> Response:
    """``GET /system/graph``: the graph of conversations for htmx, which asks for it once the page is there.

    Making it may take a second, since nobody may have asked anything yet. Others get the page with it.
    """
    picture = chat_services().picture()
    fields = {"picture": picture, "graph": layout(picture)}
    if is_htmx():
        return respond(render_template("system/partials/graph.html", **fields))
    return Response(render_template("system/page.html", system=services().system(), limits=LIMITS, **fields))


def banner() -> Response:
    """``GET /system/banner``: the banner alone, for a page that was made before the sandbox was known."""
    return respond(render_template("system/partials/banner.html"))
