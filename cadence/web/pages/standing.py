"""How a plugin stands, which of its versions answers, its health and its history: the part of its page that follows.

It is a fragment that asks for itself, and what forms on it answer with. What an operator did, or why that was refused,
stands at the section in which it was asked for.
"""

from typing import Any, Literal

from flask import render_template
from msgspec import Struct, structs

from cadence.errors import CadenceError
from cadence.model import PluginRef
from cadence.web.packages import Packages
from cadence.web.pages.accounts import STANDINGS, parts_of, told
from cadence.web.pages.fragments import tag_of
from cadence.web.pages.services import services
from cadence.web.present import HealthView, PluginView
from cadence.web.version_views import SelfTestView

SECTION = "#standing"

Place = Literal["versions", "health"]


class Said(Struct, frozen=True):
    """What came of a form, to be shown in the section ``place``; ``tests`` are the results of examples."""

    place: Place
    kind: Literal["done", "warning", "failed"]
    title: str
    sentences: tuple[str, ...] = ()
    tests: SelfTestView | None = None


def refusal(place: Place, error: CadenceError) -> Said:
    """Why nothing was done."""
    return Said(place, "failed", error.message, error.sentences)


def essence(plugin: PluginView) -> PluginView:
    """A plugin without what changes with each call and each check, so that a page is not sent anew for that."""
    return structs.replace(plugin, calls=0, errors=0, last_called_at=None, health=HealthView())


def standing(name: str, said: Said | None = None, plugin: PluginView | None = None) -> tuple[str, str]:
    """The fragment as HTML, and its entity tag. Raises as :meth:`Services.plugin`."""
    fields = standing_fields(plugin or services().plugin(name), said)
    return render_template("plugins/partials/standing.html", fragment=True, **fields), fields["tag"]


def standing_fields(plugin: PluginView, said: Said | None = None) -> dict[str, Any]:
    """What the template of the fragment takes."""
    name, health = plugin.name, services().health(plugin.name)
    history, deleted = services().history(name), services().deleted(name)
    seen = (essence(plugin), health.health.last_check, health.checks, history, deleted)
    return {
        "plugin": plugin,
        "active": next((version for version in plugin.versions if version.active), None),
        "health": health,
        "history": told(history),
        "deleted": deleted,
        "packages": _packages(plugin),
        "said": said,
        "standings": STANDINGS,
        "parts_of": parts_of,
        "tag": tag_of(seen),
    }


def _packages(plugin: PluginView) -> dict[str, Packages]:
    return {one.version: services().packages(PluginRef(plugin.name, one.version)) for one in plugin.versions}
