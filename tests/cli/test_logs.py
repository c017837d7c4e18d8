"""``flask plugins logs`` without a server, and following in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from cadence.config import Settings
from cadence.runtime.log_files import LogFiles
from cadence.runtime.log_lines import Stream
from tests.building import plugin_files, write_archive
from tests.cli.conftest import Run
from tests.runtime.log_making import chunk, write


@pytest.fixture
def files(settings: Settings) -> LogFiles:
    return LogFiles(settings.instance / "logs", settings.max_log_bytes)


@pytest.fixture
def logged(files: LogFiles) -> LogFiles:
    write(files, chunk("one\nWARNING two"), chunk("three", version="2.0.0", stream=Stream.STDERR))
    return files


def test_the_last_lines_are_printed_with_all_that_is_known_of_them(run: Run, logged: LogFiles) -> None:
    result = run("logs", "demo_plugin", "-n", "2")
    assert result.exit_code == 0
    assert result.stdout == (
        "2026-01-01 00:00:00.000Z  1.0.0  stdout   WARNING   WARNING two\n"
        "2026-01-01 00:00:00.000Z  2.0.0  stderr   WARNING   three\n"
    )


def test_lines_are_chosen_by_version_and_level(run: Run, logged: LogFiles) -> None:
    assert run("logs", "demo_plugin", "--version", "2.0.0").stdout.endswith("  three\n")
    assert run("logs", "demo_plugin", "--level", "warning", "--version", "1.0.0").stdout.endswith("  WARNING two\n")
    assert run("logs", "demo_plugin", "--level", "ERROR").stdout == ""


def test_json_is_one_object_a_line(run: Run, logged: LogFiles) -> None:
    found = [json.loads(line) for line in run("logs", "demo_plugin", "--json").stdout.splitlines()]
    assert [(line["version"], line["stream"], line["text"]) for line in found] == [
        ("1.0.0", "stdout", "one"),
        ("1.0.0", "stdout", "WARNING two"),
        ("2.0.0", "stderr", "three"),
    ]


def test_what_a_plugin_writes_does_nothing_to_the_terminal(run: Run, files: LogFiles) -> None:
    write(files, chunk("\x1b]0;title\x07red\x1b[31m\r\x9b\u202e"))
    printed = run("logs", "demo_plugin").stdout
    assert printed.endswith("\\x1b]0;title\\x07red\\x1b[31m\\r\\x9b\\u202e\n")


def test_there_is_colour_on_a_terminal_only(run: Run, logged: LogFiles) -> None:
    assert "\x1b" not in run("logs", "demo_plugin").stdout


def test_an_unknown_plugin_is_told_and_one_that_wrote_nothing_is_not(run: Run, tmp_path: Path) -> None:
    result = run("logs", "demo_plugin")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "No plugin 'demo_plugin' is installed." in result.stderr
    assert run("upload", write_archive(tmp_path, plugin_files())).exit_code == 0
    assert (run("logs", "demo_plugin").exit_code, run("logs", "demo_plugin").stdout) == (0, "")


@pytest.mark.parametrize("option", [("-n", "-1"), ("--level", "loud")])
def test_what_cannot_be_asked_is_refused(run: Run, logged: LogFiles, option: tuple[str, str]) -> None:
    assert run("logs", "demo_plugin", *option).exit_code == 2


def test_what_a_trial_on_the_command_line_printed_can_be_read_afterwards(run: Run, tmp_path: Path) -> None:
    tools = 'print("hello")\nfrom cadence_sdk import tool\n@tool\ndef a() -> int:\n    "A"\n    return 1\nTOOLS = [a]\n'
    assert run("upload", write_archive(tmp_path, plugin_files(tools=tools))).exit_code == 0
    assert run("logs", "demo_plugin").stdout.endswith("  1.0.0  stdout   INFO      hello\n")


@contextmanager
def following(settings: Settings, *options: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    # A shell's background job, as a test run may be one, has its children ignore SIGINT.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "flask", "--app", "cadence"]
    command += ["plugins", "logs", "demo_plugin", "-f", *options]
    env = {"PATH": os.defpath, "CADENCE_INSTANCE": str(settings.instance)}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=settings.instance
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout
        finally:
            process.kill()


def test_a_log_is_followed_until_ctrl_c(settings: Settings, logged: LogFiles) -> None:
    with following(settings, "-n", "1") as (process, printed):
        assert printed.readline().endswith("  three\n")
        for word in ("four", "five"):
            write(logged, chunk(word))
            assert printed.readline().endswith(f"  {word}\n")
        process.send_signal(signal.SIGINT)
        rest, complaint = process.communicate()
        assert (process.returncode, rest, complaint.strip()) == (0, "", "")
