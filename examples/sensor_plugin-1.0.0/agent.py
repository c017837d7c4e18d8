"""The agent: its tools and its prompt."""

from cadence_sdk import BaseAgent, PluginMetadata
from cadence_sdk.tools import BaseTool

from .tools import sensor_tools


class SensorAgent(BaseAgent):
    """Reads a sensor. Breaking and reading depend on each other, so its calls run one by one."""

    def __init__(self, metadata: PluginMetadata) -> None:
        super().__init__(metadata, parallel_tool_calls=False)

    def get_tools(self) -> list[BaseTool]:
        return sensor_tools

    def get_system_prompt(self) -> str:
        return "You are the sensor agent. Read the temperature with your tool."
