"""``flask plugins grant``."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.building import plugin_files, write_archive
from tests.grants.conftest import Run
from tests.grants.plugins import CLINGING, PARTICULAR, SECRET, TELLING


@pytest.fixture
def installed(run: Run, tmp_path: Path) -> Run:
    assert run("upload", write_archive(tmp_path, plugin_files(tools=TELLING))).exit_code == 0
    return run


def shown(run: Run, *options: str, input: str | None = None) -> dict[str, Any]:
    result = run("grant", "demo_plugin", *options, "--json", input=input)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_without_options_it_shows(installed: Run) -> None:
    result = installed("grant", "demo_plugin")
    assert result.exit_code == 0
    for words in ("network       closed", "memory_mb     512  (default)", "env           empty"):
        assert words in result.output


def test_options_change_what_they_name_and_leave_the_rest(installed: Run) -> None:
    first = shown(installed, "--memory-mb", "700", "--call-seconds", "2.5", "--env", "KEY=a=b")
    assert (first["limits"]["memory_mb"], first["limits"]["call_seconds"]) == (700, 2.5)
    second = shown(installed, "--memory-mb", "default", "--threads", "32", "--env", "OTHER=")
    assert (second["grants"]["memory_mb"], second["grants"]["call_seconds"]) == (None, 2.5)
    assert second["grants"]["env"] == {"KEY": None, "OTHER": None}
    assert json.loads(installed("call", "demo_plugin", "env", '{"name": "KEY"}').stdout) == "a=b"
    third = shown(installed, "--unset-env", "KEY")
    assert third["grants"]["env"] == {"OTHER": None}
    assert shown(installed, "--reset")["grants"] == shown(installed)["grants"] | {"threads": None, "env": {}}


def test_values_from_a_file_are_taken_as_they_are(installed: Run, tmp_path: Path) -> None:
    file = tmp_path / "values.env"
    file.write_text(f'# not for others\nKEY="{SECRET} $HOME"\nOTHER=1\n')
    assert shown(installed, "--env-file", str(file))["grants"]["env"] == {"KEY": None, "OTHER": None}
    assert json.loads(installed("call", "demo_plugin", "env", '{"name": "KEY"}').stdout) == f"{SECRET} $HOME"
    assert shown(installed, "--env-file", "-", input="THIRD=3\n")["grants"]["env"].keys() == {"KEY", "OTHER", "THIRD"}


def test_no_output_has_a_value(installed: Run) -> None:
    for options in ([f"--env=KEY={SECRET}"], [], ["--json"], [f"--env=PATH={SECRET}"], ["--threads", "9"]):
        assert SECRET not in installed("grant", "demo_plugin", *options).output


def test_every_fault_is_told(installed: Run) -> None:
    result = installed("grant", "demo_plugin", "--network", "nowhere", "--memory-mb", "lots", "--env", "PATH=x")
    assert result.exit_code == 1
    for words in ("Invalid grants", "network: 'nowhere'", "memory_mb must be", "env: PATH"):
        assert words in result.output
    assert installed("grant", "demo_plugin", "--env", "KEY").exit_code == 2


def test_grants_it_does_not_start_with_are_refused_and_withdrawing_is_not(run: Run, tmp_path: Path) -> None:
    tools = PARTICULAR + "\n" + CLINGING
    assert run("upload", write_archive(tmp_path, plugin_files(tools=tools))).exit_code == 0
    bad = run("grant", "demo_plugin", "--env", "MODE=bad")
    assert bad.exit_code == 1
    assert "does not start with these grants" in bad.output
    assert shown(run, "--env", "KEY=1")["grants"]["env"] == {"KEY": None}
    gone = run("grant", "demo_plugin", "--unset-env", "KEY")
    assert gone.exit_code == 1
    assert "The grants hold, but demo_plugin does not run with them" in gone.output
    assert shown(run)["grants"]["env"] == {}


def test_a_plugin_that_is_not_installed_is_said_so(run: Run) -> None:
    result = run("grant", "nobody")
    assert result.exit_code == 1
    assert "No plugin 'nobody' is installed." in result.output
