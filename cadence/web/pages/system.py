"""The System page, and the banner by which every page says that plugins are not confined as they should be."""

from flask import Response, render_template

from cadence.web.htmx import respond
from cadence.web.pages.limits import LIMITS
from cadence.web.pages.services import services


def system() -> Response:
    """``GET /system``: the sandbox layer by layer, the limits, the host."""
    return Response(render_template("system/page.html", system=services().system(), limits=LIMITS))


def banner() -> Response:
    """``GET /system/banner``: the banner alone, for a page that was made before the sandbox was known."""
    return respond(render_template("system/partials/banner.html"))
