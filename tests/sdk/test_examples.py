"""The plugins in ``examples/`` do what their pages say."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cadence_sdk.testing import ArgumentsInvalid, PluginUnderTest, load_plugin
from tests.awaiting import run_async

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/plugin.py"))
Open = Callable[[str], PluginUnderTest]


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Loads an example by its folder's name, with a data directory of its own."""
    monkeypatch.setenv("CADENCE_PLUGIN_DATA", str(tmp_path))

    def open_example(folder: str) -> PluginUnderTest:
        plugin = load_plugin(EXAMPLES / folder)
        request.addfinalizer(plugin.close)
        return plugin

    return open_example


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_example_loads_healthy_and_without_a_warning(example: Open, folder: str) -> None:
    plugin = example(folder)
    assert folder == f"{plugin.metadata.name}-{plugin.metadata.version}"
    assert plugin.health_check().healthy
    assert plugin.warnings == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_example_has_the_files_the_server_wants(folder: str) -> None:
    files = {path.name for path in (EXAMPLES / folder).iterdir() if path.is_file()}
    assert files == {"__init__.py", "plugin.py", "agent.py", "tools.py", "pyproject.toml", "README.md"}


def test_math_computes(example: Open) -> None:
    plugin = example("math_plugin-1.0.0")
    results = [plugin.call(tool, a=6, b=3) for tool in ("add", "subtract", "multiply", "divide")]
    assert results == [9, 3, 18, 2]


def test_the_versions_of_math_can_be_told_apart(example: Open) -> None:
    old = example("math_plugin-1.0.0")
    assert old.call("version_info") == "math_plugin 1.0.0"
    assert "power" not in old.tools
    new = example("math_plugin-1.1.0")
    assert new.call("version_info") == "math_plugin 1.1.0"
    assert new.call("power", base=2, exponent=10) == 1024
    assert new.call("add", a=2, b=3) == 5


def test_text_takes_objects_and_defaults(example: Open) -> None:
    plugin = example("text_plugin-1.0.0")
    assert plugin.call("count_words", text="one two  three") == 3
    assert plugin.call("make_slug", text="Hello, World!") == "hello-world"
    assert plugin.call("replace_phrases", text="a b", replacements=[{"old": "a", "new": "c"}]) == "c b"
    with pytest.raises(ArgumentsInvalid, match=r"replacements\.0\.old"):
        plugin.call("replace_phrases", text="a", replacements=[{"old": "", "new": "c"}])


@pytest.mark.parametrize("tool", ["wait", "wait_async"])
def test_waits_of_one_turn_overlap(example: Open, tool: str) -> None:
    plugin = example("parallel_plugin-1.0.0")

    async def both() -> list[dict[str, float]]:
        return list(await asyncio.gather(*(plugin.acall(tool, seconds=0.2) for _ in range(2))))

    first, second = run_async(both())
    assert max(first["began"], second["began"]) < min(first["ended"], second["ended"])


def test_the_sensor_breaks_and_is_repaired(example: Open) -> None:
    plugin = example("sensor_plugin-1.0.0")
    assert plugin.call("read_temperature") == 21.5
    plugin.call("break_sensor")
    assert plugin.health_check().error == "The sensor is broken"
    with pytest.raises(RuntimeError, match="broken"):
        plugin.call("read_temperature")
    plugin.call("repair_sensor")
    assert plugin.health_check().healthy


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_example_plugin_has_tools_with_examples_that_hold(example: Open, folder: str) -> None:
    results = example(folder).self_test()
    assert results
    assert [result.words for result in results if not result.passed] == []


def test_a_broken_sensor_fails_its_self_test(example: Open) -> None:
    plugin = example("sensor_plugin-1.0.0")
    plugin.call("break_sensor")
    (result,) = plugin.self_test()
    assert result.words.startswith("read_temperature() raised RuntimeError: The sensor is broken (tools.py:")
    assert result.words.endswith("where 21.5 is expected.")
