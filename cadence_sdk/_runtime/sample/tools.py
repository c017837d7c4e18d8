"""Tools with arguments of plain types."""

from cadence_sdk import tool


@tool
def repeat(text: str, times: int = 1) -> str:
    """Repeat a text."""
    return text * times


@tool
def name() -> str:
    """Tell the name."""
    return "sample"


sample_tools = [repeat, name]
