"""The state of a conversation, as an agent's node receives it."""

from typing import Any, TypedDict

from langchain_core.messages import BaseMessage


class AgentState(TypedDict, total=False):
    """The state: ``messages`` is the conversation, oldest first; the other keys may be missing.

    It fits LangGraph's messages state without depending on LangGraph, so it names no reducer.
    """

    messages: list[BaseMessage]
    thread_id: str
    current_agent: str
    agent_hops: int
    plugin_context: dict[str, Any]
    metadata: dict[str, Any]
