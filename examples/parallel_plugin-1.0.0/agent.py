"""The agent, which lets the tool calls of one turn run at once."""

from cadence_sdk import BaseAgent, PluginMetadata
from cadence_sdk.tools import BaseTool

from .tools import parallel_tools


class ParallelAgent(BaseAgent):
    """Waits for several things at once."""

    def __init__(self, metadata: PluginMetadata) -> None:
        # Where one call depends on the effect of another, say False: the calls of a turn then run one by one.
        super().__init__(metadata, parallel_tool_calls=True)

    def get_tools(self) -> list[BaseTool]:
        return parallel_tools

    def get_system_prompt(self) -> str:
        return "You are the waiting agent. Call as many of your tools in one turn as you need."
