"""The decorators a plugin uses: ``tool`` (LangChain's own), ``example``, ``object_schema`` and ``list_schema``."""

from langchain_core.tools import tool

from cadence_sdk.examples import example
from cadence_sdk.response_schema import list_schema, object_schema

__all__ = ["example", "list_schema", "object_schema", "tool"]
