"""The plugin class, with a health check that can fail."""

from typing import Any

from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata

from .agent import SensorAgent
from .tools import broken_marker


class SensorPlugin(BasePlugin):
    """A sensor that can be broken and repaired, to show what a failing health check does."""

    @staticmethod
    def get_metadata() -> PluginMetadata:
        return PluginMetadata(
            name="sensor_plugin",
            version="1.0.0",
            description="Reads a temperature, and can be broken and repaired",
            capabilities=["temperature"],
            agent_type="utility",
            dependencies=["cadence-sdk>=1.3.1,<2.0.0"],
        )

    @staticmethod
    def create_agent() -> BaseAgent:
        return SensorAgent(SensorPlugin.get_metadata())

    @staticmethod
    def health_check() -> dict[str, Any]:
        if broken_marker().exists():
            return {"healthy": False, "error": "The sensor is broken", "checks": {"sensor": "broken"}}
        return {"healthy": True, "details": "The sensor answers", "checks": {"sensor": "ok"}}
