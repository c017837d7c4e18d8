"""The pages of one plugin: the head that all of them share, and what follows by itself on each."""

from collections.abc import Mapping

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import NotFound
from cadence.model import PluginRef
from cadence.web.downloads import lock_file
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.fragments import STOP_POLLING, conditional
from cadence.web.pages.services import services
from cadence.web.pages.standing import SECTION, Said, standing, standing_fields, standing_html
from cadence.web.pages.tabs import tab_of


def tab_page(
    name: str, key: str, fields: Mapping[str, object] | None = None, *, said: Said | None = None, status: int = 200
) -> Response:
    """The page of one section of a plugin: its template is named like it, and takes ``fields`` beside what all take.

    :raises NotFound: when the plugin is not installed.
    """
    tab = tab_of(key)
    shared = standing_fields(services().plugin(name), tab, said)
    return Response(render_template(f"plugins/{tab.key}.html", **shared, **(fields or {})), status=status)


def plugin_standing(name: str) -> AnyResponse:
    """``GET /plugins/<name>/standing?tab=``: the part that follows, 304 when it is as the page has it.

    Once the plugin is gone it says so, and asks no more.
    """
    try:
        fields = standing_fields(services().plugin(name), tab_of(request.args.get("tab", "")))
    except NotFound:
        gone = render_template("plugins/partials/gone.html", name=name, deleted=services().deleted(name))
        return respond(gone, status=STOP_POLLING)
    return conditional(lambda: standing_html(fields), fields["tag"])


def done(name: str, said: Said) -> AnyResponse:
    """Answer that something was done: to htmx with the part of the page that follows, else by leading back to it."""
    if is_htmx():
        return respond(standing(name, tab_of(said.place), said))
    flash(" ".join((said.title, *said.sentences)), said.kind)
    return redirect(url_for(tab_of(said.place).endpoint, name=name), 303)


def shown(name: str, said: Said, status: int = 200) -> AnyResponse:
    """Answer with the page or its part, and what was said in it: why nothing was done, or results to be read."""
    if is_htmx():
        html = standing(name, tab_of(said.place), said)
        return respond(html, status=status, retarget=SECTION, reswap="outerHTML")
    return tab_page(name, said.place, said=said, status=status)


def lock(name: str, version: str) -> AnyResponse:
    """``GET /plugins/<name>/<version>/lock``: the packages of a version with their hashes, to keep."""
    ref = PluginRef(name, version)
    return lock_file(ref, services().packages(ref))
