"""The tools: both wait, one holding a thread and one leaving the event loop to others."""

import asyncio
import time
from typing import Annotated

from pydantic import Field

from cadence_sdk import example, tool
from cadence_sdk.tools import BaseTool

Seconds = Annotated[float, Field(ge=0, le=10, description="How long to wait, in seconds")]


@example(seconds=0)
@tool
def wait(seconds: Seconds) -> dict[str, float]:
    """Wait in a thread. Begin and end are seconds of the system's monotonic clock."""
    began = time.monotonic()
    time.sleep(seconds)
    return {"began": began, "ended": time.monotonic()}


@example(seconds=0)
@tool
async def wait_async(seconds: Seconds) -> dict[str, float]:
    """Wait on the event loop. Begin and end are seconds of the system's monotonic clock."""
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return {"began": began, "ended": time.monotonic()}


parallel_tools: list[BaseTool] = [wait, wait_async]
