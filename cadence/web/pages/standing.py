"""How a plugin stands, and the section of its pages that follows with that: versions, health, history.

It is a fragment that asks for itself, and what forms on it answer with. What an operator did, or why that was refused,
stands in the section in which it was asked for.
"""

from collections.abc import Mapping
from typing import Any, Literal

from flask import render_template
from msgspec import Struct, structs

from cadence.errors import CadenceError
from cadence.web.pages.fragments import tag_of
from cadence.web.pages.health_fields import health_fields
from cadence.web.pages.history_fields import history_fields
from cadence.web.pages.services import services
from cadence.web.pages.tabs import Tab
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


def standing(name: str, tab: Tab, said: Said | None = None) -> str:
    """The fragment as HTML. Raises as :meth:`Services.plugin`."""
    return standing_html(standing_fields(services().plugin(name), tab, said))


def standing_html(fields: Mapping[str, Any]) -> str:
    """The fragment as HTML, of what its template takes."""
    return render_template("plugins/partials/standing.html", fragment=True, **fields)


def standing_fields(plugin: PluginView, tab: Tab, said: Said | None = None) -> dict[str, Any]:
    """What the template of the fragment takes."""
    section = _SECTIONS[tab.key](plugin) if tab.key in _SECTIONS else {}
    return {
        "plugin": plugin,
        "active": next((version for version in plugin.versions if version.active), None),
        "tab": tab,
        "said": said,
        "tag": tag_of((essence(plugin), tab.key, section)),
        **section,
    }


def _versions(plugin: PluginView) -> dict[str, Any]:
    return {"deleted": services().deleted(plugin.name)}


def _health(plugin: PluginView) -> dict[str, Any]:
    return health_fields(plugin.name)


def _history(plugin: PluginView) -> dict[str, Any]:
    fields = history_fields(plugin.name)
    return fields | {"address": fields["history"].address}


_SECTIONS = {"versions": _versions, "health": _health, "history": _history}
