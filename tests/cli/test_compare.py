"""``flask plugins compare``, and the changes that ``validate`` prints."""

import json
from pathlib import Path

import pytest

from tests.building import plugin_files, write_archive, write_folder
from tests.cli.conftest import Run

CHANGED = """
    from cadence_sdk import tool

    @tool
    def add(a: int, c: int = 0) -> int:
        "Add."
        return a + c

    TOOLS = [add]
"""


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return write_archive(tmp_path, plugin_files(version="2.0.0", tools=CHANGED), version="2.0.0")


@pytest.fixture
def installed(run: Run, tmp_path: Path) -> None:
    assert run("upload", write_archive(tmp_path, plugin_files())).exit_code == 0


@pytest.mark.usefixtures("installed")
def test_two_versions_are_compared_what_breaks_callers_first(run: Run, newer: Path) -> None:
    run("upload", newer)
    result = run("compare", "demo_plugin", "1.0.0", "2.0.0")
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0].startswith("demo_plugin 1.0.0 to 2.0.0: Different: 1 change that may break its callers")
    assert lines[1:3] == ["May break callers", "! Tool `add`: argument `b` is gone."]
    assert "~ add: argument `c` is new and optional" in lines
    assert any(line.startswith("~ tools.py (") for line in lines)
    found = json.loads(run("compare", "demo_plugin", "1.0.0", "2.0.0", "--json").stdout)
    assert found["breaking"] == ["Tool `add`: argument `b` is gone."]
    unified = run("compare", "demo_plugin", "1.0.0", "2.0.0", "--file", "tools.py").stdout
    assert "\n+def add(a: int, c: int = 0) -> int:\n" in unified
    assert run("compare", "demo_plugin", "1.0.0", "2.0.0", "--file", "agent.py").stdout == (
        "The file is the same in both versions.\n"
    )


@pytest.mark.usefixtures("installed")
def test_a_version_that_is_not_installed_is_said_to_be_missing(run: Run) -> None:
    result = run("compare", "demo_plugin", "1.0.0", "9")
    assert (result.exit_code, "demo_plugin 9 is not installed." in result.stderr) == (1, True)


@pytest.mark.usefixtures("installed")
def test_a_check_of_an_archive_or_a_folder_prints_what_would_change(run: Run, newer: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "demo_plugin", plugin_files(version="2.0.0", tools=CHANGED))
    for path in (newer, folder):
        result = run("validate", path)
        assert result.exit_code == 0, result.stderr
        assert "! Tool `add`: argument `b` is gone." in result.stdout


def test_a_check_of_what_is_not_installed_prints_no_changes(run: Run, newer: Path) -> None:
    result = run("validate", newer)
    assert result.exit_code == 0
    assert " to 2.0.0:" not in result.stdout
