"""The decorators a plugin uses: ``tool`` (LangChain's own), ``object_schema`` and ``list_schema``."""

from langchain_core.tools import tool

from cadence_sdk.response_schema import list_schema, object_schema

__all__ = ["list_schema", "object_schema", "tool"]
