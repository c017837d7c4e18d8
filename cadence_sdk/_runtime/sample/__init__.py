"""The plugin that is rehearsed with. It is small and plain, so that what it needs is needed by every plugin."""

from importlib import import_module
from typing import Any, NoReturn

from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata, register_plugin

# It is imported under a name of its own, as plugins are.
tools = import_module(f"{__name__}.tools")


class SampleAgent(BaseAgent):
    """An agent as most are."""

    def get_tools(self) -> list[Any]:
        """Its tools."""
        return list(tools.sample_tools)

    def get_system_prompt(self) -> str:
        """Its prompt."""
        return "Say what you were given."

    def cleanup(self) -> NoReturn:
        """Back to whoever rehearses, where a worker would end its process."""
        raise SystemExit


class SamplePlugin(BasePlugin):
    """A plugin as most are."""

    @staticmethod
    def get_metadata() -> PluginMetadata:
        """What it is."""
        return PluginMetadata(
            name="cadence_sample",
            version="1.0.0",
            description="What workers rehearse with",
            capabilities=["rehearsal"],
            llm_requirements={"provider": "none", "model": "none", "temperature": 0.2, "max_tokens": 1024},
            dependencies=["cadence-sdk>=1.4,<2.0.0"],
        )

    @staticmethod
    def create_agent() -> BaseAgent:
        """Its agent."""
        return SampleAgent(SamplePlugin.get_metadata())

    @staticmethod
    def health_check() -> dict[str, Any]:
        """A tool that answers."""
        checks = {"repeat": tools.repeat.invoke({"text": "a", "times": 2}) == "aa"}
        return {"healthy": all(checks.values()), "details": "It repeats", "checks": checks}


register_plugin(SamplePlugin)
