"""The JSON API under ``/api/v1``: one table says what there is, registers it, and becomes the OpenAPI document."""

from flask import Blueprint, Response

from cadence.web.api import answers, installs, plugins, uploads
from cadence.web.api.openapi import Operation, document
from cadence.web.api.replies import reply

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
        "GET", "/plugins/uploaded", uploads.uploaded, "List every installed version", {200: answers.UploadedList}
    ),
    Operation(
        "DELETE",
        "/plugins/uploaded/<name>/<version>",
        uploads.delete,
        "Delete an installed version",
        {200: answers.Deleted},
        (404, 409),
    ),
    Operation(
        "GET",
        "/plugins/uploaded/<name>/<version>/lock",
        uploads.lock,
        "The packages of a version with their hashes, as a requirements.txt",
        {200: str},
        (404,),
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
    Operation("GET", "/health", plugins.health, "How this server does", {200: answers.Health}),
)


def openapi() -> Response:
    """The OpenAPI document of this API."""
    return reply(document(OPERATIONS, PREFIX))


api = Blueprint("api", __name__, url_prefix=PREFIX)
for operation in OPERATIONS:
    view = operation.view
    api.add_url_rule(operation.rule, view.__name__, view, methods=[operation.method])
api.add_url_rule("/openapi.json", "openapi", openapi)
