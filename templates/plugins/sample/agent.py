"""When to use the tools."""

from cadence_sdk import BaseAgent

from .tools import greet


class GreeterAgent(BaseAgent):
    """Greets people."""

    def get_tools(self) -> list:
        """Return the tools of this agent."""
        return [greet]

    def get_system_prompt(self) -> str:
        """Say how the agent behaves."""
        return "You greet people politely. Use the tool greet for it."
