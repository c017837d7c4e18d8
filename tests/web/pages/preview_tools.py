"""Tools without a server behind them: each answers with what it was given, or fails as it was told to."""

from collections.abc import Mapping
from typing import Any

from cadence.errors import CadenceError
from cadence.model import ToolResult


class MadeUpTools:
    """``called`` is what tools were called with, ``answer`` what they answer where it is not their arguments."""

    def __init__(self) -> None:
        self.called: list[tuple[str, str, Mapping[str, Any]]] = []
        self.answer: Any = None
        self.tool_failure: CadenceError | None = None

    def call(self, name: str, tool: str, args: Mapping[str, Any]) -> ToolResult:
        """Answer."""
        self.called.append((name, tool, args))
        if self.tool_failure is not None:
            raise self.tool_failure
        return ToolResult(dict(args) if self.answer is None else self.answer, "1.0.0", 1.25)
