"""``flask plugins health`` and ``test`` without a server."""

import json
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.history import CheckKind, CheckRecord, Reason
from cadence.model import PluginRef
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from tests.building import plugin_files, write_archive
from tests.cli.conftest import Run

CHECKING = """
@staticmethod
def health_check() -> dict:
    import os
    return {"healthy": "SICK" not in os.environ, "details": "The cellar is flooded"}
"""
WITH_EXAMPLES = """
    import os
    from cadence_sdk import example, tool

    @example({"a": 2, "b": 3}, returns=5)
    @tool
    def add(a: int, b: int) -> int:
        "Add two numbers."
        return a + b + ("SICK" in os.environ)

    TOOLS = [add]
"""


@pytest.fixture
def installed(run: Run, tmp_path: Path) -> Run:
    files = plugin_files(plugin_body=CHECKING, tools=WITH_EXAMPLES)
    assert run("upload", write_archive(tmp_path, files)).exit_code == 0
    return run


def test_without_a_plugin_it_says_how_to_begin(run: Run) -> None:
    assert "flask plugins upload NAME-VERSION.zip" in run("health").stdout


def test_a_plugin_is_as_well_as_at_its_trial_until_it_was_checked(installed: Run) -> None:
    assert installed("health").stdout == "demo_plugin 1.0.0: healthy\n"
    first, second = installed("health", "demo_plugin").stdout.splitlines()
    assert first == "demo_plugin 1.0.0: healthy"
    assert "  1.0.0  trial  " in second
    (known,) = json.loads(installed("health", "--json").stdout)
    assert (known["name"], known["healthy"], known["checks"][0]["kind"]) == ("demo_plugin", True, "trial")


def test_a_plugin_is_checked_on_demand_and_what_is_found_is_kept(installed: Run) -> None:
    result = installed("health", "demo_plugin", "--check")
    assert result.exit_code == 0
    assert "  requested  " in result.stdout
    assert "  requested  " in installed("health", "demo_plugin").stdout


def test_a_plugin_that_is_unwell_is_told_with_exit_code_1(installed: Run, settings: Settings) -> None:
    words = "The health check failed: The cellar\n\x1b[31mis flooded"
    with Index.open(settings.instance / "index.db") as index:
        index.add_check("demo_plugin", CheckRecord("1.0.0", utc_now(), CheckKind.SCHEDULED, False, 3.0, words))
    result = installed("health")
    assert (result.exit_code, result.stdout) == (
        1,
        "demo_plugin 1.0.0: The health check failed: The cellar\\n\\x1b[31mis flooded\n",
    )


def test_a_plugin_that_was_taken_back_is_told_and_one_that_is_disabled_is_as_it_should_be(
    installed: Run, settings: Settings
) -> None:
    installed("disable", "demo_plugin")
    result = installed("health")
    assert (result.exit_code, result.stdout) == (0, "demo_plugin 1.0.0: disabled\n")
    refused = installed("test", "demo_plugin")
    assert (refused.exit_code, "disabled" in refused.stderr) == (1, True)
    installed("enable", "demo_plugin")
    with Index.open(settings.instance / "index.db") as index:
        record = index.version(PluginRef("demo_plugin", "1.0.0"))
        assert record is not None
        assert index.take_back(record.ref, record.install_id, Reason("crashes", "It crashed."))
    result = installed("health")
    assert (result.exit_code, result.stdout) == (1, "demo_plugin: 1.0.0 was taken back: It crashed.\n")
    assert "It crashed." in installed("test", "demo_plugin").stderr


def test_the_examples_of_the_tools_are_run(installed: Run) -> None:
    result = installed("test", "demo_plugin")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("  passed  add  ")
    assert result.stdout.splitlines()[-1] == "demo_plugin 1.0.0: 1 example passed."
    assert json.loads(installed("test", "demo_plugin", "--json").stdout)["passed"] == 1


def test_a_check_asks_for_a_plugin(run: Run) -> None:
    result = run("health", "--check")
    assert (result.exit_code, "Say which plugin" in result.stderr) == (2, True)
