"""The plugin class: what it is, its agent, its health."""

from typing import Any

from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata

from .agent import MathAgent
from .tools import add


class MathPlugin(BasePlugin):
    """Arithmetic with two numbers."""

    @staticmethod
    def get_metadata() -> PluginMetadata:
        return PluginMetadata(
            name="math_plugin",
            version="1.0.0",
            description="Adds, subtracts, multiplies and divides numbers",
            capabilities=["addition", "subtraction", "multiplication", "division"],
            llm_requirements={"provider": "openai", "model": "gpt-4.1", "temperature": 0.2, "max_tokens": 1024},
            agent_type="specialized",
            dependencies=["cadence-sdk>=1.3.1,<2.0.0"],
            response_suggestion="Show the calculation, then the result.",
        )

    @staticmethod
    def create_agent() -> BaseAgent:
        return MathAgent(MathPlugin.get_metadata())

    @staticmethod
    def health_check() -> dict[str, Any]:
        checks = {"add": add.invoke({"a": 2, "b": 3}) == 5}
        return {"healthy": all(checks.values()), "details": "A known sum comes out right", "checks": checks}
