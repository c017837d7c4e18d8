"""What the plugin can do."""

from cadence_sdk import tool


@tool
def greet(name: str) -> str:
    """Greet a person by name."""
    return f"Good day, {name}!"
