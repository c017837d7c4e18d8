"""The pages: one blueprint, and the function that turns an error into a page.

The application provides :class:`Services` as ``app.extensions["cadence_pages"]``, a secret key, a request class
that derives from ``HtmxAwareRequest`` (see :mod:`cadence.web.htmx`), the converter ``plugin`` for a plugin's name in an
address, and the folders ``templates`` and ``static``.
"""

from functools import partial
from typing import Any

from flask import Blueprint

from cadence.sandbox import remedy
from cadence.web.install_views import STAGE_LABELS
from cadence.web.pages import (
    assets,
    bulk,
    chat,
    comparison,
    health,
    history,
    installs,
    logs,
    overview,
    packages,
    permissions,
    plugin,
    plugins,
    system,
    tools,
    versions,
)
from cadence.web.pages.accounts import STANDINGS, in_json, parts_of, taken_back
from cadence.web.pages.chat_views import pretty
from cadence.web.pages.forms import CancelForm, ConfirmForm, TokenForm
from cadence.web.pages.fragments import unless_changed
from cadence.web.pages.headers import harden, keep_fragments_apart
from cadence.web.pages.navigation import AREAS
from cadence.web.pages.problem import Problem, problem_of, problem_page
from cadence.web.pages.sample import sample_files
from cadence.web.pages.services import EXTENSION, Services, services
from cadence.web.pages.tabs import TABS
from cadence.web.present import exact_time, human_ms, human_size, relative_time

__all__ = ["EXTENSION", "Problem", "Services", "harden", "pages", "problem_of", "problem_page"]

pages = Blueprint("pages", __name__)
pages.after_app_request(harden)
pages.after_request(keep_fragments_apart)

pages.add_url_rule("/", "home", plugins.home)
pages.add_url_rule("/plugins", "plugins", plugins.plugins)
pages.add_url_rule("/plugins/list", "plugin_list", plugins.plugin_list)
pages.add_url_rule("/plugins/deleted", "deleted", plugins.deleted)
pages.add_url_rule("/plugins/sample.zip", "sample", plugins.sample)
pages.add_url_rule("/plugins/sample.zip", "install_sample", plugins.install_sample, methods=["POST"])
pages.add_url_rule(
    "/plugins/chosen.d/<any(reload, disable, enable):action>", "switch_selected", bulk.switch_selected, methods=["POST"]
)
pages.add_url_rule("/plugins/chosen.d/delete", "delete_selected", bulk.delete_selected, methods=["GET", "POST"])
pages.add_url_rule("/plugins/reload", "reload", plugins.reload, methods=["POST"])
pages.add_url_rule("/plugins/upload", "upload", installs.upload, methods=["POST"])
pages.add_url_rule("/plugins/validate", "check", installs.check, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>", "plugin", overview.plugin)
pages.add_url_rule("/plugins/<plugin:name>/versions", "versions", versions.versions)
pages.add_url_rule("/plugins/<plugin:name>/tools", "tools", tools.tools)
pages.add_url_rule("/plugins/<plugin:name>/tools/<path:tool>", "call_tool", tools.call, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/health", "health", health.health)
pages.add_url_rule("/plugins/<plugin:name>/permissions", "permissions", permissions.permissions)
pages.add_url_rule("/plugins/<plugin:name>/usage", "usage", permissions.usage)
pages.add_url_rule("/plugins/<plugin:name>/packages", "packages", packages.packages)
pages.add_url_rule("/plugins/<plugin:name>/history", "history", history.history)
pages.add_url_rule("/plugins/<plugin:name>/standing", "plugin_standing", plugin.plugin_standing)
pages.add_url_rule("/plugins/<plugin:name>/activate", "activate", versions.activate, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/rollback", "roll_back", versions.roll_back, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/pin", "pin", versions.pin, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/unpin", "unpin", versions.unpin, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/disable", "disable", versions.disable, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/enable", "enable", versions.enable, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/health", "check_health", health.check, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/self-test", "self_test", health.self_test, methods=["POST"])
pages.add_url_rule("/plugins/<plugin:name>/logs", "logs", logs.logs)
pages.add_url_rule("/plugins/<plugin:name>/grants", "grant", permissions.grant, methods=["POST"])
pages.add_url_rule(
    "/plugins/<plugin:name>/grants/requested", "grant_requested", permissions.grant_requested, methods=["POST"]
)
pages.add_url_rule("/history", "whole_history", history.whole_history)
pages.add_url_rule("/plugins/<name>/<version>/lock", "lock", plugin.lock)
pages.add_url_rule("/plugins/<name>/<version>/archive", "archive", overview.archive)
pages.add_url_rule("/plugins/<name>/<version>/delete", "delete", plugins.delete, methods=["GET", "POST"])
pages.add_url_rule("/plugins/<name>/<version>/restore", "restore", versions.restore, methods=["POST"])
pages.add_url_rule("/installs", "installs", installs.installs)
pages.add_url_rule("/installs/live", "live_installs", installs.live_installs)
pages.add_url_rule("/installs/<install_id>", "install", installs.install)
pages.add_url_rule("/installs/<install_id>/retry", "retry", installs.retry, methods=["POST"])
pages.add_url_rule("/installs/<install_id>/log", "install_log", installs.log)
pages.add_url_rule("/plugins/<plugin:name>/compare", "compare", comparison.compare)
pages.add_url_rule("/installs/<install_id>/confirm", "confirm", installs.confirm, methods=["POST"])
pages.add_url_rule("/installs/<install_id>/cancel", "cancel", installs.cancel, methods=["POST"])
pages.add_url_rule("/chat", "chat", chat.chat)
pages.add_url_rule("/chat", "ask", chat.ask, methods=["POST"])
pages.add_url_rule("/chat/stream", "chat_stream", chat.stream, methods=["POST"])
pages.add_url_rule("/chat/threads", "chat_threads", chat.threads)
pages.add_url_rule("/chat/<thread_id>", "chat_thread", chat.thread)
pages.add_url_rule("/chat/<thread_id>", "ask_in", chat.ask_in, methods=["POST"])
pages.add_url_rule("/chat/<thread_id>/stop", "chat_stop", chat.stop, methods=["POST"])
pages.add_url_rule("/chat/<thread_id>/delete", "chat_delete", chat.delete, methods=["GET", "POST"])
pages.add_url_rule("/chat/<thread_id>/turns/<int:number>", "chat_turn", chat.turn)
pages.add_url_rule("/system", "system", system.system)
pages.add_url_rule("/system/graph", "graph", system.graph)
pages.add_url_rule("/system/disk", "disk", system.disk)
pages.add_url_rule("/system/processes", "processes", system.processes)
pages.add_url_rule("/system/banner", "banner", system.banner)
pages.add_url_rule("/assets/htmx-<digest>.js", "htmx_script", assets.htmx_script)

for words in (exact_time, human_ms, human_size, in_json, logs.log_time, pretty, relative_time):
    pages.add_app_template_filter(words)
pages.add_app_template_filter(comparison.names_as_code)


@pages.app_context_processor
def _shared() -> dict[str, Any]:
    """What every template may use."""
    return {
        "areas": AREAS,
        "cancel_form": partial(CancelForm, formdata=None),
        "confirm_form": partial(ConfirmForm, formdata=None),
        "htmx_url": assets.htmx_url,
        "parts_of": parts_of,
        "remedy": remedy,
        "sample_files": sample_files,
        "safe_mode": services().safe_mode,
        "sandbox": services().sandbox,
        "stage_labels": tuple(STAGE_LABELS.values()),
        "standings": STANDINGS,
        "tabs": TABS,
        "taken_back": taken_back,
        "token_form": partial(TokenForm, formdata=None),
        "unless_changed": unless_changed,
    }
