"""What a message can say that no model is asked about: ``/tools``, ``/call plugin.tool a=2 b=3``, ``/help``."""

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cadence.errors import InvalidRequest
from cadence.model import ToolSpec
from cadence.runtime.slot import LivePlugin

if TYPE_CHECKING:
    from langchain_core.messages import ToolCall

HELP = (
    "Ask a question, or say:\n"
    "/tools - list the tools of all plugins\n"
    "/call plugin.tool name=value ... - call one, without a model; values are JSON, or text\n"
    "/help - these lines"
)
_COMMAND = re.compile(r"\s*/(tools|call|help)\b", re.IGNORECASE)
_CALL = re.compile(r"\s*/call\s+([^\s.]+)\.(\S+)\s*(.*)", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r"\s*([^\W\d]\w*)=")
_PLAIN = re.compile(r"\S*")
_decoder = json.JSONDecoder()


class Call(Struct, frozen=True):
    """A tool that a message calls by name."""

    plugin: str
    tool: str
    args: dict[str, Any]

    def as_tool_call(self, id_: str) -> "ToolCall":
        """The same as a model would say it."""
        return {"type": "tool_call", "id": id_, "name": self.tool, "args": self.args}


def command_of(message: str) -> str | None:
    """``tools``, ``call`` or ``help`` where the message is a command."""
    found = _COMMAND.match(message)
    return found[1].lower() if found else None


def read_call(message: str) -> Call:
    """What a ``/call`` asks for.

    :raises InvalidRequest: in words, when it cannot be read.
    """
    found = _CALL.fullmatch(message)
    if found is None:
        raise InvalidRequest(
            "Say which tool to call: /call plugin.tool name=value, such as /call math_plugin.add a=2 b=3."
        )
    return Call(found[1], found[2], _arguments(found[3].strip()))


def tools_in_words(plugins: Iterable[LivePlugin]) -> str:
    """The tools of the plugins, a line each, as they can be called."""
    lines = [
        f"{plugin.record.ref.name}.{_signature(tool)} - {tool.description.strip().partition(chr(10))[0]}"
        for plugin in plugins
        for tool in plugin.report.tools
    ]
    return "\n".join(lines) or "No plugin is there to answer. Upload one first."


def _signature(tool: ToolSpec) -> str:
    properties = tool.parameters.get("properties")
    names = properties if isinstance(properties, dict) else {}
    required = tool.parameters.get("required")
    wanted = set(required) if isinstance(required, list) else set()
    shown = [name if name in wanted else f"[{name}]" for name in names]
    return " ".join([tool.name, *(f"{name}=…" if name[0] != "[" else f"{name[:-1]}=…]" for name in shown)])


def _arguments(text: str) -> dict[str, Any]:
    """``a=2 b="two words"``, or one JSON object."""
    if text.startswith("{"):
        return _object(text)
    args: dict[str, Any] = {}
    at = 0
    while at < len(text):
        found = _NAME.match(text, at)
        if found is None:
            raise InvalidRequest(f"Arguments are written name=value, not {text[at : at + 40]!r}.")
        args[found[1]], at = _value(text, found.end())
    return args


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidRequest("The arguments are no JSON object.")
    return value


def _value(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins there, or else the word; and where it ends."""
    try:
        value, end = _decoder.raw_decode(text, at)
    except (ValueError, RecursionError):
        end = -1
    if end == len(text) or (0 <= end < len(text) and text[end].isspace()):
        return value, end
    found = _PLAIN.match(text, at)
    assert found is not None
    return found[0], found.end()
