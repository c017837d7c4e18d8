"""The OpenAPI 3.1 document, made from the table of operations and the types of the answers."""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Literal

from flask import Response
from msgspec import NODEFAULT, Struct
from msgspec.json import schema_components
from msgspec.structs import fields

from cadence.grants import request_schema
from cadence.web.api.answers import Failure

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_REF = "#/components/schemas/{name}"
#: Every operation may be refused by the guard, or fail on an error of the server.
_ALWAYS = (403, 500)
#: What is no JSON: the media type by the type that stands for it in the table.
_FILES: Mapping[Any, str] = {str: "text/plain", bytes: "application/zip"}


class Operation(Struct, frozen=True):
    """One endpoint: method and rule (as Flask writes it), its view, and what it answers by status: JSON, text, a ZIP.

    ``request`` is the JSON object that its body must be, or may be where all its fields have defaults. ``query`` has
    the parameters of its query string, with a schema of each; those in ``required`` must be there.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    rule: str
    view: Callable[..., Response]
    summary: str
    answers: Mapping[int, type[Struct] | type[str] | type[bytes]]
    errors: tuple[int, ...] = ()
    body: Literal["upload", "check", "arguments", "grants", "confirm", "retry"] | None = None
    query: Mapping[str, Mapping[str, Any]] = {}
    required: tuple[str, ...] = ()
    request: type[Struct] | None = None
    #: What it answers with as server-sent events, where those are accepted; empty where it does not.
    events: str = ""


_UPLOAD_FIELDS: Mapping[str, dict[str, Any]] = {
    "file": {
        "type": "string",
        "contentMediaType": "application/zip",
        "description": "The archive, named `{name}-{version}.zip`",
    },
    "force_overwrite": {"type": "boolean", "default": False},
    "activate": {"type": "boolean", "description": "By default a version becomes active when it is the highest"},
    "upgrade": {
        "type": "boolean",
        "default": False,
        "description": "Resolve its dependencies anew, instead of taking what was found for the same ones last time",
    },
}
_TRIAL = {
    "type": "boolean",
    "default": False,
    "description": "Install packages that are not here to try the plugin out, and let them go afterwards",
}


def _form(fields: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    schema = {"type": "object", "required": ["file"], "properties": dict(fields)}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


_CONFIRM_FIELDS = {
    name: {"type": "boolean", "description": "By default as it was checked"} for name in ("force_overwrite", "activate")
}

_RETRY_FIELDS = {"force_overwrite": {"type": "boolean", "description": "By default as it was the last time"}}

_BODIES: Mapping[str, dict[str, Any]] = {
    "upload": _form(_UPLOAD_FIELDS),
    "check": _form({**_UPLOAD_FIELDS, "trial": _TRIAL}),
    "confirm": {
        "content": {"multipart/form-data": {"schema": {"type": "object", "properties": _CONFIRM_FIELDS}}},
    },
    "retry": {
        "content": {"multipart/form-data": {"schema": {"type": "object", "properties": _RETRY_FIELDS}}},
    },
    "arguments": {
        "description": "The tool's arguments, by name",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "grants": {
        "required": True,
        "description": (
            "All that the plugin is granted. An amount that is null or left out is the server's default; null in `env` "
            "keeps the value that is set, and a name that is left out is removed. A plugin that is not installed yet "
            "is tried with them at its first install; there, `{}` removes them"
        ),
        "content": {"application/json": {"schema": request_schema()}},
    },
}


def document(operations: Sequence[Operation], prefix: str) -> dict[str, Any]:
    """The document as plain data.

    :param prefix: what stands before every rule.
    """
    answered = (type_ for op in operations for type_ in op.answers.values() if type_ not in _FILES)
    types = [Failure, *dict.fromkeys([*answered, *(op.request for op in operations if op.request)])]
    schemas, components = schema_components(types, ref_template=_REF)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, Any] = {}
    for operation in operations:
        path = prefix + _PARAMETER.sub(r"{\1}", operation.rule)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cadence", "version": version("cadence")},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(operation: Operation, by_type: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.view.__name__,
        "summary": operation.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(operation.rule)
        ]
        + [
            {"name": name, "in": "query", "schema": schema} | ({"required": True} if name in operation.required else {})
            for name, schema in operation.query.items()
        ],
        "responses": {
            str(status): _file(status, type_) if type_ in _FILES else _response(status, by_type[type_])
            for status, type_ in operation.answers.items()
        }
        | {str(status): _response(status, by_type[Failure]) for status in (*operation.errors, *_ALWAYS)},
    }
    if operation.request is not None:
        needed = any(field.default is NODEFAULT for field in fields(operation.request))
        content = {"application/json": {"schema": by_type[operation.request]}}
        described["requestBody"] = {"required": needed, "content": content}
    if operation.body is not None:
        described["requestBody"] = _BODIES[operation.body]
    if operation.events:
        stream = {"schema": {"type": "string", "description": operation.events}}
        described["responses"]["200"]["content"]["text/event-stream"] = stream
    if 202 in operation.answers:
        described["parameters"].append(
            {"name": "Prefer", "in": "header", "schema": {"type": "string"}, "example": "respond-async"}
        )
    return described


def _response(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {"application/json": {"schema": schema}}}


def _file(status: int, type_: type) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {_FILES[type_]: {"schema": {"type": "string"}}}}
