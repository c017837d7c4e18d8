"""The agent: its tools and its prompt."""

from cadence_sdk import BaseAgent
from cadence_sdk.tools import BaseTool

from .tools import text_tools


class TextAgent(BaseAgent):
    """Works on text."""

    def get_tools(self) -> list[BaseTool]:
        return text_tools

    def get_system_prompt(self) -> str:
        return "You are the text agent. Count and change text with your tools; never count words yourself."
