"""Tools: LangChain's, under the names the 1.x SDK had them."""

from langchain_core.tools import BaseTool, StructuredTool, Tool

from cadence_sdk.decorators import example, list_schema, object_schema, tool

__all__ = ["BaseTool", "StructuredTool", "Tool", "example", "list_schema", "object_schema", "tool"]
