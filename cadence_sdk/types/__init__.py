"""The types of what flows through a conversation."""

from cadence_sdk.types.state import AgentState

__all__ = ["AgentState"]
