"""The agent: its tools and its prompt."""

from cadence_sdk import BaseAgent, PluginMetadata
from cadence_sdk.tools import BaseTool

from .tools import math_tools


class MathAgent(BaseAgent):
    """Answers questions of arithmetic. Its tools do not depend on each other, so they may run at once."""

    def __init__(self, metadata: PluginMetadata) -> None:
        super().__init__(metadata, parallel_tool_calls=True)

    def get_tools(self) -> list[BaseTool]:
        return math_tools

    def get_system_prompt(self) -> str:
        return "You are the math agent. Compute with your tools, one operation a call, and never in your head."
