"""The plugin class."""

from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata

from .agent import TextAgent


class TextPlugin(BasePlugin):
    """Counts and changes text, with asynchronous tools."""

    @staticmethod
    def get_metadata() -> PluginMetadata:
        return PluginMetadata(
            name="text_plugin",
            version="1.0.0",
            description="Counts words, replaces phrases and makes slugs",
            capabilities=["word_count", "replacement", "slug"],
            agent_type="utility",
            dependencies=["cadence-sdk>=1.3.1,<2.0.0"],
        )

    @staticmethod
    def create_agent() -> BaseAgent:
        return TextAgent(TextPlugin.get_metadata())
