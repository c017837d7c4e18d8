"""The tools. The sensor is broken while a file named ``unhealthy`` lies in the plugin's data directory."""

import os
from pathlib import Path

from cadence_sdk import example, tool
from cadence_sdk.tools import BaseTool


def broken_marker() -> Path:
    """The file whose presence breaks the sensor."""
    return Path(os.environ.get("CADENCE_PLUGIN_DATA", ".")) / "unhealthy"


@example(returns=21.5)
@tool
def read_temperature() -> float:
    """Read the temperature, in degrees Celsius."""
    if broken_marker().exists():
        raise RuntimeError("The sensor is broken")
    return 21.5


@tool
def break_sensor() -> str:
    """Break the sensor: its health check fails from now on."""
    broken_marker().touch()
    return "broken"


@tool
def repair_sensor() -> str:
    """Repair the sensor."""
    broken_marker().unlink(missing_ok=True)
    return "repaired"


sensor_tools: list[BaseTool] = [read_temperature, break_sensor, repair_sensor]
