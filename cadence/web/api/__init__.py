"""The JSON API under ``/api/v1``: one table says what there is, registers it, and becomes the OpenAPI document."""

from flask import Blueprint, Response

from cadence.web.api import answers, chat, comparison, health, installs, logs, plugins, uploads, versions
from cadence.web.api.openapi import Operation, document
from cadence.web.api.replies import reply
from cadence.web.logs import QUERY as LOG_QUERY

PREFIX = "/api/v1"

OPERATIONS = (
    Operation(
        "POST",
        "/plugins/upload",
        uploads.upload,
        "Install a plugin from its archive",
        {201: answers.Uploaded, 200: answers.Uploaded, 202: answers.Accepted},
        (400, 409, 413, 422, 503, 507),
        body="upload",
    ),
    Operation(
        "POST",
        "/plugins/validate",
        uploads.validate,
        "Check a plugin's archive; nothing is installed",
        {200: answers.Checked, 202: answers.Accepted},
        (400, 409, 413, 422, 503, 507),
        body="check",
    ),
    Operation(
        "GET",
        "/plugins/uploaded",
        versions.uploaded,
        "List every installed version, or look for some by words, page by page",
        {200: versions.UploadedList},
        (400,),
        query=versions.SEARCH_QUERY,
    ),
    Operation(
        "GET",
        "/plugins/uploaded/<name>/<version>",
        versions.version,
        "Show one installed version",
        {200: versions.VersionAnswer},
        (404,),
    ),
    Operation(
        "DELETE",
        "/plugins/uploaded/<name>/<version>",
        versions.delete,
        "Delete an installed version; for a while it can be brought back",
        {200: versions.DeletedAnswer},
        (404, 409),
    ),
    Operation(
        "GET",
        "/plugins/uploaded/<name>/<version>/archive",
        versions.archive,
        "The archive of a version, as it was uploaded",
        {200: bytes},
        (404,),
    ),
    Operation(
        "GET",
        "/plugins/uploaded/<name>/<version>/lock",
        uploads.lock,
        "The packages of a version with their hashes, as a requirements.txt",
        {200: str},
        (404,),
    ),
    Operation(
        "GET",
        "/plugins/deleted",
        versions.deleted,
        "List what was deleted and can be brought back",
        {200: versions.DeletedList},
    ),
    Operation(
        "POST",
        "/plugins/deleted/<name>/<version>/restore",
        versions.restore,
        "Bring a deleted version back as it was",
        {200: versions.RestoredAnswer},
        (404, 409, 422, 503, 507),
    ),
    Operation("POST", "/plugins/reload", plugins.reload, "Load every plugin anew", {200: answers.Reload}),
    Operation("GET", "/plugins", plugins.plugins, "List the plugins and how they stand", {200: answers.PluginList}),
    Operation("GET", "/plugins/<plugin:name>", plugins.plugin, "Show one plugin", {200: answers.PluginAnswer}, (404,)),
    Operation(
        "GET",
        "/plugins/<plugin:name>/tools",
        plugins.tools,
        "List the tools that answer now",
        {200: answers.ToolList},
        (404,),
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/tools/<tool>",
        plugins.call_tool,
        "Call a tool",
        {200: answers.CallAnswer},
        (400, 404, 413, 422, 502, 503, 504),
        body="arguments",
    ),
    Operation(
        "GET",
        "/plugins/<plugin:name>/grants",
        plugins.grants,
        "What a plugin was granted, has, and asks for, or what a name was granted that is not installed yet",
        {200: answers.GrantsAnswer},
        (404,),
    ),
    Operation(
        "PUT",
        "/plugins/<plugin:name>/grants",
        plugins.grant,
        "Grant a plugin this and no more; it answers all the while, or may not be installed yet",
        {200: answers.GrantsAnswer},
        (400, 409, 413, 422, 503, 507),
        body="grants",
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/activate",
        versions.activate,
        "Have an installed version answer",
        {200: versions.SwitchedAnswer},
        (400, 404, 409, 413, 422, 503, 507),
        request=versions.ActivateBody,
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/rollback",
        versions.roll_back,
        "Have the version answer that was active before",
        {200: versions.SwitchedAnswer},
        (404, 409, 422, 503, 507),
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/pin",
        versions.pin,
        "Keep the active version, or another, whatever is uploaded or fails",
        {200: versions.SwitchedAnswer},
        (400, 404, 409, 413, 422, 503, 507),
        request=versions.PinBody,
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/unpin",
        versions.unpin,
        "Let a higher version that is uploaded become active again",
        {200: versions.SwitchedAnswer},
        (404, 409, 507),
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/disable",
        versions.disable,
        "Have nothing of a plugin run until it is enabled",
        {200: versions.SwitchedAnswer},
        (404, 409, 507),
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/enable",
        versions.enable,
        "Have a plugin answer again",
        {200: versions.SwitchedAnswer},
        (404, 409, 422, 503, 507),
    ),
    Operation(
        "GET",
        "/plugins/<plugin:name>/history",
        versions.history,
        "What happened to a plugin: changes of the active version, crashes, failed checks, decisions",
        {200: versions.HistoryAnswer},
        (400, 404),
        query=versions.HISTORY_QUERY,
    ),
    Operation(
        "GET",
        "/plugins/<plugin:name>/health",
        health.plugin_health,
        "How a plugin stands, and its latest health checks",
        {200: health.HealthAnswer},
        (404,),
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/health",
        health.check_health,
        "Check the health of a plugin now",
        {200: health.CheckAnswer},
        (404, 502, 503, 504),
    ),
    Operation(
        "POST",
        "/plugins/<plugin:name>/self-test",
        health.self_test,
        "Run the examples that the tools of a plugin declare",
        {200: health.SelfTestAnswer},
        (404, 502, 503, 504),
    ),
    Operation(
        "GET",
        "/plugins/<plugin:name>/logs",
        logs.logs,
        "What a plugin writes, and what the server has to say of it",
        {200: logs.LogAnswer},
        (400, 404),
        query=LOG_QUERY,
    ),
    Operation(
        "GET",
        "/plugins/<plugin:name>/compare",
        comparison.compare,
        "What is different between two installed versions, or in one of their files",
        {200: comparison.ComparisonAnswer},
        (400, 404),
        query=comparison.QUERY,
        required=("from", "to"),
    ),
    Operation("GET", "/installs", installs.installs, "List the latest installs", {200: answers.InstallList}),
    Operation(
        "GET", "/installs/<install_id>", installs.install, "Follow an install", {200: answers.InstallAnswer}, (404,)
    ),
    Operation(
        "DELETE",
        "/installs/<install_id>",
        installs.cancel,
        "Cancel an install or a check, in whatever stage it is; nothing of it is left",
        {200: answers.InstallAnswer},
        (404, 409),
    ),
    Operation(
        "POST",
        "/installs/<install_id>/confirm",
        uploads.confirm,
        "Install exactly what a check looked at, without sending it again",
        {201: answers.Uploaded, 200: answers.Uploaded, 202: answers.Accepted},
        (400, 404, 409, 410, 413, 422, 503, 507),
        body="confirm",
    ),
    Operation(
        "GET",
        "/installs/<install_id>/log",
        installs.log,
        "Read the log of an install, while it runs too",
        {200: answers.InstallLog},
        (400, 404),
        query={
            "after": {
                "type": "integer",
                "default": 0,
                "description": "The number of the last line that is known: those after it are answered",
            }
        },
    ),
    Operation(
        "GET",
        "/environments",
        installs.environments,
        "List the environments of packages, and which versions use them",
        {200: answers.EnvironmentList},
    ),
    Operation(
        "POST",
        "/chat",
        chat.chat,
        "Ask the agents of the live plugins",
        {200: chat.ChatAnswer},
        (400, 404, 409, 413, 429, 502, 503, 504),
        request=chat.ChatRequest,
        events=chat.EVENTS,
    ),
    Operation(
        "GET",
        "/threads",
        chat.threads,
        "List conversations, the one that changed last first",
        {200: chat.ThreadList},
        (400,),
        query=chat.THREADS_QUERY,
    ),
    Operation("GET", "/threads/<thread_id>", chat.thread, "Show a conversation", {200: chat.ThreadAnswer}, (404,)),
    Operation(
        "DELETE", "/threads/<thread_id>", chat.delete_thread, "Delete a conversation", {200: chat.ThreadDeleted}, (404,)
    ),
    Operation(
        "POST",
        "/threads/<thread_id>/stop",
        chat.stop_thread,
        "Stop the turn that runs in a conversation",
        {200: chat.ThreadStopped},
        (404,),
    ),
    Operation("GET", "/health", health.health, "How this server does", {200: answers.Health}),
)


def openapi() -> Response:
    """The OpenAPI document of this API."""
    return reply(document(OPERATIONS, PREFIX))


api = Blueprint("api", __name__, url_prefix=PREFIX)
for operation in OPERATIONS:
    view = operation.view
    api.add_url_rule(operation.rule, view.__name__, view, methods=[operation.method])
api.add_url_rule("/openapi.json", "openapi", openapi)
