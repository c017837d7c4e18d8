"""Says what it does."""

import logging

from cadence_sdk import tool


@tool
def talk() -> None:
    """Log a line and print one."""
    logging.getLogger("talkative").warning("a line of the log")
    print("a line that was printed")


TOOLS = [talk]
