"""Plugins that answer: what they are, their tools, calls, reload."""

from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, request
from msgspec import structs

from cadence.errors import NotFound
from cadence.grants import MAX_REQUEST_BYTES
from cadence.web.api import answers
from cadence.web.api.replies import arguments, json_object, number, reply
from cadence.web.present import GrantsView
from cadence.web.services import PluginServices, parts

SERVICES = "cadence_pages"

#: SQLite has no larger number.
_LARGEST_REVISION = 2**63 - 1

REVISION_QUERY: Mapping[str, Mapping[str, Any]] = {
    "revision": {
        "type": "integer",
        "minimum": 0,
        "description": "Of the grants that these are to take the place of: where there are others by now, 409",
    }
}


def services() -> PluginServices:
    """The services of the current application."""
    found = current_app.extensions[SERVICES]
    assert isinstance(found, PluginServices)
    return found


def plugins() -> Response:
    """Every plugin."""
    return reply(answers.PluginList(plugins=tuple(services().plugins())))


def plugin(name: str) -> Response:
    """One plugin."""
    return reply(answers.PluginAnswer(plugin=services().plugin(name)))


def overview(name: str) -> Response:
    """What one plugin says of itself."""
    return reply(answers.OverviewAnswer(overview=services().overview(name)))


def tools(name: str) -> Response:
    """The tools of the version that answers now."""
    live = services().running.live_set.plugin(name)
    if live is None:
        raise NotFound(f"No plugin {name!r} is active.")
    return reply(answers.ToolList(plugin_name=name, plugin_version=live.record.ref.version, tools=live.report.tools))


def call_tool(name: str, tool: str) -> Response:
    """Call a tool with the arguments in the body."""
    request.max_content_length = parts().settings.max_message_bytes
    result = services().call(name, tool, arguments())
    return reply(answers.CallAnswer(result=result.result, plugin_version=result.plugin_version, ms=result.ms))


def grants(name: str) -> Response:
    """What the plugin was granted."""
    return _grants_answer(services().grants(name))


def grant(name: str) -> Response:
    """Put the grants in the body in the place of those the plugin has."""
    request.max_content_length = MAX_REQUEST_BYTES
    revision = number("revision", 0, _LARGEST_REVISION, least=0) if request.args.get("revision") else None
    return _grants_answer(services().grant(name, json_object("the grants"), revision))


def _grants_answer(view: GrantsView) -> Response:
    return reply(answers.GrantsAnswer(**structs.asdict(view)))


def reload() -> Response:
    """Load every plugin anew."""
    done = services().reload()
    total = done.loaded + done.failed
    message = "Plugins reloaded successfully" if not done.failed else f"{done.failed} of {total} plugins failed"
    return reply(answers.Reload(not done.failed, message, done.loaded, done.healthy, done.failed, done.plugins))
