"""The tools: ``async def`` functions, which share one event loop and so can wait for many things at once."""

import asyncio
import re

from pydantic import BaseModel, Field

from cadence_sdk import example, tool
from cadence_sdk.tools import BaseTool


class Replacement(BaseModel):
    """One phrase and what takes its place."""

    old: str = Field(min_length=1, description="The phrase to look for")
    new: str = Field(description="What takes its place")


@example(text="one two  three", returns=3)
@tool
async def count_words(text: str) -> int:
    """Count the words of a text."""
    await asyncio.sleep(0)  # where a real tool would wait for a service
    return len(text.split())


@example(text="tea for two", replacements=[{"old": "two", "new": "three"}], returns="tea for three")
@tool
async def replace_phrases(text: str, replacements: list[Replacement]) -> str:
    """Replace phrases in a text, one after the other."""
    for replacement in replacements:
        await asyncio.sleep(0)
        text = text.replace(replacement.old, replacement.new)
    return text


@example(text="Hello, World!", returns="hello-world")
@example(text="Hello, World!", separator="_", contains="_")
@tool
async def make_slug(text: str, separator: str = "-") -> str:
    """Make a name for an address out of a text."""
    return separator.join(re.findall(r"[a-z0-9]+", text.lower()))


text_tools: list[BaseTool] = [count_words, replace_phrases, make_slug]
