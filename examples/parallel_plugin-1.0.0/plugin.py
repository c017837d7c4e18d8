"""The plugin class."""

from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata

from .agent import ParallelAgent


class ParallelPlugin(BasePlugin):
    """Tools that take their time, to show calls that run at once."""

    @staticmethod
    def get_metadata() -> PluginMetadata:
        return PluginMetadata(
            name="parallel_plugin",
            version="1.0.0",
            description="Waits, in a thread or on the event loop, and tells when it began and ended",
            capabilities=["waiting"],
            agent_type="utility",
            dependencies=["cadence-sdk>=1.3.1,<2.0.0"],
        )

    @staticmethod
    def create_agent() -> BaseAgent:
        return ParallelAgent(ParallelPlugin.get_metadata())
