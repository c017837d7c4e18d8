"""What an operator decides about the versions of a plugin, each by a form, and bringing back what was deleted.

A form says which version was active when it was made. Where another is by now, because somebody else decided or a
version was taken back, nothing is done and the page as it stands now says so.
"""

from collections.abc import Callable

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import CadenceError
from cadence.model import PluginRef
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import RestoreForm, SwitchForm
from cadence.web.pages.plugin import done, shown, tab_page
from cadence.web.pages.services import services
from cadence.web.pages.standing import Said, refusal
from cadence.web.present import PluginView
from cadence.web.version_views import SwitchedView


class Outdated(CadenceError):
    """What the page showed when the form was made is not so any more."""

    status = 409
    message = "Nothing was changed"


def versions(name: str) -> AnyResponse:
    """``GET /plugins/<name>/versions``: the page."""
    return tab_page(name, "versions")


def activate(name: str) -> AnyResponse:
    """``POST /plugins/<name>/activate``: have the version of the form answer."""

    def decide(plugin: PluginView, form: SwitchForm) -> SwitchedView:
        return services().activate(plugin.name, form.version.data or "")

    return _decided(name, decide)


def roll_back(name: str) -> AnyResponse:
    """``POST /plugins/<name>/rollback``: have the version answer that was active before, which the form names."""

    def decide(plugin: PluginView, form: SwitchForm) -> SwitchedView:
        target = plugin.rollback_version
        if target != (form.version.data or None):
            goes = f"go to {target}" if target else "have no version to go to"
            raise Outdated(f"{_changed(plugin)} A roll back would {goes} now.")
        return services().roll_back(plugin.name)

    return _decided(name, decide)


def pin(name: str) -> AnyResponse:
    """``POST /plugins/<name>/pin``: keep the active version, whatever is uploaded or fails."""

    def decide(plugin: PluginView, form: SwitchForm) -> SwitchedView:
        _require(not plugin.pinned, f"{plugin.name} {plugin.version} is pinned already.")
        return services().pin(plugin.name)

    return _decided(name, decide)


def unpin(name: str) -> AnyResponse:
    """``POST /plugins/<name>/unpin``: let a higher version that is uploaded take over again."""

    def decide(plugin: PluginView, form: SwitchForm) -> SwitchedView:
        _require(plugin.pinned, f"{plugin.name} is not pinned any more.")
        return services().unpin(plugin.name)

    return _decided(name, decide)


def disable(name: str) -> AnyResponse:
    """``POST /plugins/<name>/disable``: have nothing of it run."""

    def decide(plugin: PluginView, form: SwitchForm) -> SwitchedView:
        _require(not plugin.disabled, f"{plugin.name} is disabled already.")
        return services().disable(plugin.name)

    return _decided(name, decide)


def enable(name: str) -> AnyResponse:
    """``POST /plugins/<name>/enable``: have it answer again."""

    def decide(plugin: PluginView, form: SwitchForm) -> SwitchedView:
        _require(plugin.disabled, f"{plugin.name} is not disabled any more.")
        return services().enable(plugin.name)

    return _decided(name, decide)


def restore(name: str, version: str) -> AnyResponse:
    """``POST /plugins/<name>/<version>/restore``: bring back a version that was deleted."""
    RestoreForm().require_valid()
    restored = services().restore(PluginRef(name, version))
    words = f"{name} {version} is back" + (" and is active again." if restored.activated else ".")
    if is_htmx():
        html = render_template("partials/notice.html", words=words, takes_focus=True)
        return respond(html, trigger="plugins-changed")
    flash(words)
    return redirect(url_for("pages.versions", name=name), 303)


def _decided(name: str, decide: Callable[[PluginView, SwitchForm], SwitchedView]) -> AnyResponse:
    form = SwitchForm()
    form.require_valid()
    plugin = services().plugin(name)
    try:
        _require_as_shown(plugin, form)
        said = Said("versions", "done", decide(plugin, form).message)
    except CadenceError as error:
        return shown(name, refusal("versions", error), error.status)
    return done(name, said)


def _require_as_shown(plugin: PluginView, form: SwitchForm) -> None:
    if _active(plugin) != (form.shown.data or None):
        raise Outdated(f"{_changed(plugin)} Look at it again before you go on.")


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise Outdated(sentence)


def _changed(plugin: PluginView) -> str:
    active = _active(plugin)
    return f"{plugin.name} changed since this page was made: {active or 'no version of it'} is active now."


def _active(plugin: PluginView) -> str | None:
    return next((version.version for version in plugin.versions if version.active), None)
