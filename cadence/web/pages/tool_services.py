"""What the section of tools needs of the rest of the server."""

from collections.abc import Mapping
from typing import Any, Protocol, cast

from flask import current_app

from cadence.model import ToolResult
from cadence.web.pages.services import EXTENSION


class ToolServices(Protocol):
    """The doing behind it. ``app.extensions["cadence_pages"]`` is of this shape too."""

    def call(self, name: str, tool: str, args: Mapping[str, Any]) -> ToolResult:
        """Call a tool of the version that answers now.

        :raises NotFound: no such plugin or tool.
        :raises InvalidArguments: they do not fit the tool's schema.
        :raises CallFailed: one of its kinds.
        """
        ...


def tool_services() -> ToolServices:
    """Return the services of the current application."""
    return cast(ToolServices, current_app.extensions[EXTENSION])
