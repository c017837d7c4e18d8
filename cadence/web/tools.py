"""Calling a tool for somebody: the one function that the page and the JSON API use."""

from collections.abc import Mapping
from typing import Any

from cadence.model import ToolResult
from cadence.parts import Parts, Running


class ToolServices:
    """Calling tools."""

    _parts: Parts

    @property
    def running(self) -> Running:
        """The runtime, started where it was not."""
        return self._parts.serving

    def call(self, name: str, tool: str, args: Mapping[str, Any]) -> ToolResult:
        """Call a tool of the version that answers now. Raises as :meth:`LiveSet.call`."""
        return self.running.live_set.call(name, tool, args)
