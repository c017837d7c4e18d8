"""What the plugin is."""

from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata

from .agent import GreeterAgent


class GreeterPlugin(BasePlugin):
    """Describes the greeter and makes its agent."""

    @staticmethod
    def get_metadata() -> PluginMetadata:
        """Describe the plugin."""
        return PluginMetadata(
            name="greeter",
            version="1.0.0",
            description="Greets people by name",
            capabilities=["greeting"],
        )

    @staticmethod
    def create_agent() -> BaseAgent:
        """Make the agent."""
        return GreeterAgent(GreeterPlugin.get_metadata())
