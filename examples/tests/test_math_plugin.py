"""How a plugin is tested without the server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence_sdk.testing import ArgumentsInvalid, PluginUnderTest, load_plugin


@pytest.fixture
def plugin() -> Iterator[PluginUnderTest]:
    with load_plugin(Path(__file__).parents[1] / "math_plugin-1.0.0") as plugin:
        yield plugin


def test_it_adds(plugin: PluginUnderTest) -> None:
    assert plugin.call("add", a=2, b=3) == 5


def test_it_does_not_divide_by_zero(plugin: PluginUnderTest) -> None:
    with pytest.raises(ValueError, match="Division by zero"):
        plugin.call("divide", a=1, b=0)


def test_it_wants_numbers(plugin: PluginUnderTest) -> None:
    with pytest.raises(ArgumentsInvalid, match="`a`"):
        plugin.call("add", a="two", b=3)


def test_it_is_healthy(plugin: PluginUnderTest) -> None:
    assert plugin.health_check().healthy
