"""The tools: one arithmetic operation each."""

from cadence_sdk import example, tool
from cadence_sdk.tools import BaseTool


@example(a=2, b=3, returns=5)
@example(a=0.1, b=0.2, returns=0.3, approximately=1e-9)
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


@example(a=1, b=0, raises="Division by zero")
@tool
def divide(a: float, b: float) -> float:
    """Divide a by b."""
    if b == 0:
        raise ValueError("Division by zero has no result")
    return a / b


@example(base=2, exponent=10, returns=1024)
@tool
def power(base: float, exponent: float) -> float:
    """Raise base to the power of exponent."""
    return float(base**exponent)


@tool
def version_info() -> str:
    """Tell which version of the plugin answers."""
    return "math_plugin 1.1.0"


math_tools: list[BaseTool] = [add, subtract, multiply, divide, power, version_info]
