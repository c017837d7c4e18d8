"""What an operator decides about the versions of a plugin, each by a form, and bringing back what was deleted.

A form says what the page showed when it was made: which version was active, whether that was pinned, or the plugin
disabled. Where that is not so by now, because somebody else decided or a version was taken back, nothing is done and
the page as it stands now says so. It is compared where it is decided (:mod:`cadence.expectation`).
"""

from collections.abc import Callable

from flask import flash, redirect, render_template, url_for
from msgspec import structs
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import CadenceError
from cadence.model import PluginRef
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import RestoreForm, SwitchForm
from cadence.web.pages.plugin import done, shown, tab_page
from cadence.web.pages.services import services
from cadence.web.pages.standing import Said, refusal
from cadence.web.version_views import SwitchedView


def versions(name: str) -> AnyResponse:
    """``GET /plugins/<name>/versions``: the page."""
    return tab_page(name, "versions")


def activate(name: str) -> AnyResponse:
    """``POST /plugins/<name>/activate``: have the version of the form answer."""
    return _decided(name, lambda form: services().activate(name, form.version.data or "", expected=form.expected))


def roll_back(name: str) -> AnyResponse:
    """``POST /plugins/<name>/rollback``: have the version answer that was active before, which the form names."""
    return _decided(
        name,
        lambda form: services().roll_back(name, structs.replace(form.expected, target=form.version.data or None)),
    )


def pin(name: str) -> AnyResponse:
    """``POST /plugins/<name>/pin``: keep the active version, whatever is uploaded or fails."""
    return _decided(name, lambda form: services().pin(name, None, form.expected))


def unpin(name: str) -> AnyResponse:
    """``POST /plugins/<name>/unpin``: let a higher version that is uploaded take over again."""
    return _decided(name, lambda form: services().unpin(name, form.expected))


def disable(name: str) -> AnyResponse:
    """``POST /plugins/<name>/disable``: have nothing of it run."""
    return _decided(name, lambda form: services().disable(name, form.expected))


def enable(name: str) -> AnyResponse:
    """``POST /plugins/<name>/enable``: have it answer again."""
    return _decided(name, lambda form: services().enable(name, form.expected))


def restore(name: str, version: str) -> AnyResponse:
    """``POST /plugins/<name>/<version>/restore``: bring back a version that was deleted."""
    form = RestoreForm()
    form.require_valid()
    restored = services().restore(PluginRef(name, version), form.install.data or None)
    words = f"{name} {version} is back" + (" and is active again." if restored.activated else ".")
    if is_htmx():
        html = render_template("partials/notice.html", words=words, takes_focus=True)
        return respond(html, trigger="plugins-changed")
    flash(words)
    return redirect(url_for("pages.versions", name=name), 303)


def _decided(name: str, decide: Callable[[SwitchForm], SwitchedView]) -> AnyResponse:
    form = SwitchForm()
    form.require_valid()
    services().plugin(name)  # one that is gone has no page to say it on
    try:
        said = Said("versions", "done", decide(form).message)
    except CadenceError as error:
        return shown(name, refusal("versions", error), error.status)
    return done(name, said)
