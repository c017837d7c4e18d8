"""Plugins to talk to: those of the examples, and some more."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tests.chat.offline.playing import Plugin


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def subtract(a: float, b: float) -> float:
    """Subtract b from a."""
    return a - b


def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    return a * b


def divide(a: float, b: float) -> float:
    """Divide a by b."""
    if b == 0:
        raise ValueError("Division by zero has no result")
    return a / b


def power(base: float, exponent: float) -> float:
    """Raise base to the power of exponent."""
    return float(base**exponent)


def version_info() -> str:
    """Tell which version of the plugin answers."""
    return "math_plugin 1.1.0"


def count_words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


class Replacement(BaseModel):
    """One phrase and what takes its place."""

    old: str = Field(min_length=1, description="The phrase to look for")
    new: str = Field(description="What takes its place")


def replace_phrases(text: str, replacements: list[Replacement]) -> str:
    """Replace phrases in a text, one after the other."""
    for replacement in replacements:
        text = text.replace(replacement["old"], replacement["new"])  # type: ignore[index]
    return text


def make_slug(text: str, separator: str = "-") -> str:
    """Make a name for an address out of a text."""
    return separator.join(re.findall(r"[a-z0-9]+", text.lower()))


def to_upper(text: str) -> str:
    """Put a text into upper case."""
    return text.upper()


def read_temperature() -> float:
    """Read the temperature, in degrees Celsius."""
    return 21.5


def break_sensor() -> str:
    """Break the sensor: its health check fails from now on."""
    return "broken"


def repair_sensor() -> str:
    """Repair the sensor."""
    return "repaired"


Seconds = Annotated[float, Field(ge=0, le=10, description="How long to wait, in seconds")]


def wait(seconds: Seconds) -> dict[str, float]:
    """Wait in a thread. Begin and end are seconds of the system's monotonic clock."""
    return {"began": 0.0, "ended": seconds}


def wait_async(seconds: Seconds) -> dict[str, float]:
    """Wait on the event loop. Begin and end are seconds of the system's monotonic clock."""
    return {"began": 0.0, "ended": seconds}


def forecast(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius", days: int = 1) -> str:
    """Tell the weather of a city."""
    return f"Sun in {city}, {days} days, {unit}"


MATH = Plugin(
    "math_plugin",
    "Adds, subtracts, multiplies and divides numbers, and takes powers",
    add,
    subtract,
    multiply,
    divide,
    power,
    version_info,
    able=["addition", "subtraction", "multiplication", "division", "power"],
)
TEXT = Plugin(
    "text_plugin",
    "Counts words, replaces phrases and makes slugs",
    count_words,
    replace_phrases,
    make_slug,
    to_upper,
    able=["word_count", "replacement", "slug"],
)
SENSOR = Plugin(
    "sensor_plugin",
    "Reads a temperature, and can be broken and repaired",
    read_temperature,
    break_sensor,
    repair_sensor,
    able=["temperature"],
)
PARALLEL = Plugin(
    "parallel_plugin",
    "Waits, in a thread or on the event loop, and tells when it began and ended",
    wait,
    wait_async,
    able=["waiting"],
)
WEATHER = Plugin("weather_plugin", "Knows the weather", forecast, able=["weather"])
ALL = (MATH, TEXT, SENSOR, PARALLEL, WEATHER)
