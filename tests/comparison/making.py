"""Sides of a comparison, with whatever a test wants to be different in them."""

from typing import Any

from cadence.comparison import FileFacts, Side
from cadence.model import Metadata, Requests, ToolSpec


def side(version: str = "1.0.0", **parts: Any) -> Side:
    """A version of which everything is known."""
    values: dict[str, Any] = {
        "files": {"plugin.py": FileFacts(10, "aa"), "tools.py": FileFacts(20, "bb")},
        "packages": {"numpy": "1.0"},
        "requirements": ("numpy>=1",),
        "tools": (tool(),),
        "metadata": Metadata("demo", version, "A plugin"),
        "requests": Requests(),
        "findings": (),
    }
    return Side(plugin_name="demo", version=version, **(values | parts))


def tool(name: str = "add", parameters: dict[str, Any] | None = None, description: str = "Add.") -> ToolSpec:
    return ToolSpec(name, description, arguments(a="integer") if parameters is None else parameters)


def arguments(*optional: str, **types: str | dict[str, Any]) -> dict[str, Any]:
    """The schema of arguments by name: a type, or a schema; required but for those in ``optional``."""
    properties = {name: {"type": one} if isinstance(one, str) else one for name, one in types.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
