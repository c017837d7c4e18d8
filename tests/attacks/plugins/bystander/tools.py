"""Somebody else's plugin: it answers, and has files, data and a secret of its own that nobody else is to see."""

import os
from pathlib import Path

from cadence_sdk import tool

_kept: list[str] = []


@tool
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}"


@tool
def keep(secret: str) -> None:
    """Remember a secret, in memory and in the data directory."""
    _kept.append(secret)
    Path("kept.txt").write_text(secret)
    os.environ["BYSTANDER_SECRET"] = secret


@tool
def reveal(name: str) -> str:
    """What its environment has under a name."""
    return os.environ[name]


TOOLS = [greet, keep, reveal]
