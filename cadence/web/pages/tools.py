"""The section of a plugin's tools: a form for each, made from the schema of its arguments, and what a call came to."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import render_template, request
from msgspec import Struct
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import CadenceError, InvalidArguments, NotFound
from cadence.model import ToolResult, ToolSpec
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.chat_views import MOST_CHARACTERS, pretty
from cadence.web.pages.forms import ToolForm as CallForm
from cadence.web.pages.plugin import tab_page
from cadence.web.pages.services import services
from cadence.web.pages.tool_services import tool_services
from cadence.web.schema_form import Arguments, Field, arguments_of, form_of, json_arguments

ARGUMENT = "arg-"
"""The name of each field begins so: an argument may be called as any other field of the form."""

#: How a sentence about an argument begins.
_ABOUT = re.compile(r"`([^`]{1,200})`: ")
_BAD_ARGUMENTS = 422


class Called(Struct, frozen=True):
    """What a call came to: a result, or ``title`` and ``sentences`` that say why there is none."""

    result: ToolResult | None = None
    title: str = ""
    sentences: tuple[str, ...] = ()
    status: int = 200

    @property
    def text(self) -> str:
        """The result as it is read by people."""
        return pretty(self.result.result) if self.result else ""

    @property
    def is_cut(self) -> bool:
        """Whether that is only its beginning."""
        return len(self.text) > MOST_CHARACTERS


def tools(name: str) -> AnyResponse:
    """``GET /plugins/<name>/tools?tool=&as=json``: the page, with the form of one tool."""
    plugin = services().plugin(name)
    wanted = request.args.get("tool", "")
    tool = next((one for one in plugin.tools if one.name == wanted), None)
    if wanted and tool is None:
        raise NotFound(f"{name} {plugin.version} has no tool {wanted[:100]!r}.")
    tool = tool or next(iter(plugin.tools), None)
    fields = _fields(tool) if tool else {"tool": None}
    if is_htmx() and tool:
        return respond(render_template("plugins/partials/tool.html", plugin=plugin, **fields))
    return tab_page(name, "tools", fields)


def call(name: str, tool: str) -> AnyResponse:
    """``POST /plugins/<name>/tools/<tool>``: call it with what the form says, and show what came of it."""
    CallForm().require_valid()
    plugin = services().plugin(name)
    spec = next((one for one in plugin.tools if one.name == tool), None)
    if spec is None:
        raise NotFound(f"{name} {plugin.version} has no tool {tool[:100]!r}.")
    texts = _texts()
    read = _read(spec, texts)
    called = _called(name, spec, read)
    shown = _fields(spec, texts, {**read.faults, **_faults_of(called, spec)}, called)
    if is_htmx():
        html = render_template("plugins/partials/tool.html", plugin=plugin, **shown)
        return respond(html, status=called.status, retarget="#tool", reswap="outerHTML")
    return tab_page(name, "tools", shown, status=called.status)


def _texts() -> dict[str, str]:
    texts = {key.removeprefix(ARGUMENT): value for key, value in request.form.items() if key.startswith(ARGUMENT)}
    return {**texts, "": request.form["json"]} if "json" in request.form else texts


def _read(tool: ToolSpec, texts: Mapping[str, str]) -> Arguments:
    if "" not in texts:
        return arguments_of(form_of(tool.parameters).fields, texts)
    try:
        return Arguments(json_arguments(texts[""]), {})
    except ValueError as error:
        return Arguments({}, {"": str(error)})


def _called(name: str, tool: ToolSpec, read: Arguments) -> Called:
    if read.faults:
        return Called(title="It was not called", sentences=("See the fields below.",), status=_BAD_ARGUMENTS)
    try:
        return Called(tool_services().call(name, tool.name, read.values))
    except CadenceError as error:
        return Called(title=error.message, sentences=error.sentences, status=error.status)


def _faults_of(called: Called, tool: ToolSpec) -> dict[str, str]:
    """What the tool itself says of its arguments, at the fields it is about."""
    if called.title != InvalidArguments.message:
        return {}
    names = {field.name for field in form_of(tool.parameters).fields}
    found: dict[str, str] = {}
    for sentence in called.sentences:
        about = _ABOUT.match(sentence)
        name = about.group(1).split(".")[0] if about else ""
        if about and name in names:
            found[name] = sentence[about.end() :]
    return found


def _fields(
    tool: ToolSpec,
    texts: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
    called: Called | None = None,
) -> dict[str, Any]:
    form = form_of(tool.parameters)
    as_json = "" in (texts or {}) or (texts is None and request.args.get("as") == "json") or not form.complete
    return {
        "tool": tool,
        "form": form,
        "as_json": as_json,
        "texts": texts if texts is not None else _defaults(form.fields),
        "faults": faults or {},
        "called": called,
        "argument": ARGUMENT,
    }


def _defaults(fields: Sequence[Field]) -> dict[str, str]:
    return {field.name: field.default for field in fields if field.default is not None}
