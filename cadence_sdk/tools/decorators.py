"""The decorators under the path the 1.x SDK had them."""

from langchain_core.tools import Tool

from cadence_sdk.decorators import example, list_schema, object_schema, tool

__all__ = ["Tool", "example", "list_schema", "object_schema", "tool"]
