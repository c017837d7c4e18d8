"""The tools: one arithmetic operation each."""

from cadence_sdk import tool
from cadence_sdk.tools import BaseTool


@tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@tool
def subtract(a: float, b: float) -> float:
    """Subtract b from a."""
    return a - b


@tool
def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    return a * b


@tool
def divide(a: float, b: float) -> float:
    """Divide a by b."""
    if b == 0:
        raise ValueError("Division by zero has no result")
    return a / b


@tool
def version_info() -> str:
    """Tell which version of the plugin answers."""
    return "math_plugin 1.0.0"


math_tools: list[BaseTool] = [add, subtract, multiply, divide, version_info]
