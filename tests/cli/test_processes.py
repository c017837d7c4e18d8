"""The command line as a process: what it imports, what it says of wrong settings, and beside a running server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.building import plugin_files, write_archive
from tests.server.process import Server, flask, serving

IMPORTS = """
import sys
from flask.cli import main
sys.argv = ["flask", "--app", "app", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
finally:
    print("loaded:", *sorted(name for name in sys.modules if "." not in name))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("cli") / "instance") as server:
        yield server


@pytest.mark.parametrize("arguments", [["plugins", "list"], ["plugins", "show", "--help"], ["plugins", "reload"]])
def test_a_command_that_needs_no_plugin_code_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    import subprocess
    import sys

    from tests.server.process import ROOT, environment

    done = subprocess.run(
        [sys.executable, "-c", IMPORTS.format(arguments=arguments)],
        cwd=ROOT,
        env=environment(tmp_path / "instance"),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert "cadence" in loaded
    assert not loaded & {"langchain", "langchain_core", "langgraph", "pydantic", "granian"}


def test_commands_work_as_processes_from_start_to_end(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    path = write_archive(tmp_path, plugin_files())
    uploaded = flask(instance, "plugins", "upload", str(path))
    assert (uploaded.returncode, uploaded.stdout) == (0, "demo_plugin-1.0.0: active; tools: add\n"), uploaded.stderr
    called = flask(instance, "plugins", "call", "demo_plugin", "add", '{"a": 2, "b": 3}')
    assert (called.returncode, called.stdout, called.stderr) == (0, "5\n", "")
    refused = flask(instance, "plugins", "upload", str(path))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert not list(instance.glob("run/*"))
    assert not list(instance.glob("owners/*"))


def test_beside_a_server_each_command_does_the_same(server: Server, tmp_path: Path) -> None:
    path = write_archive(tmp_path, plugin_files("beside"), "beside")
    assert flask(server.instance, "plugins", "upload", str(path)).returncode == 0
    assert "beside-1.0.0  active" in flask(server.instance, "plugins", "list").stdout
    assert flask(server.instance, "plugins", "validate", str(path)).returncode == 0
    called = flask(server.instance, "plugins", "call", "beside", "add", '{"a": 2, "b": 3}')
    assert called.stdout == "5\n"
    reloaded = flask(server.instance, "plugins", "reload")
    assert reloaded.returncode == 0
    assert "1 loaded, 1 healthy, 0 failed" in reloaded.stdout
    assert server.call("beside", "add", a=2, b=3).json()["result"] == 5
    assert flask(server.instance, "plugins", "delete", "beside", "1.0.0", "--yes").returncode == 0


def test_a_reload_that_fails_in_a_server_has_exit_code_1_and_the_reason(server: Server, tmp_path: Path) -> None:
    path = write_archive(tmp_path, plugin_files("fragile"), "fragile")
    assert flask(server.instance, "plugins", "upload", str(path)).returncode == 0
    assert server.call("fragile", "add", a=2, b=3).json()["result"] == 5  # it is awake
    (server.instance / "store_plugin" / "fragile-1.0.0" / "tools.py").write_text("raise RuntimeError('edited')\n")
    done = flask(server.instance, "plugins", "reload")
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "edited" in done.stdout
    assert server.call("fragile", "add", a=2, b=3).json()["result"] == 5
    assert flask(server.instance, "plugins", "delete", "fragile", "1.0.0", "--yes").returncode == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CADENCE_PORT", "http"), ("CADENCE_MAX_UPLOAD_BYTES", "0"), ("CADENCE_STORE_PLUGIN", " ")],
)
@pytest.mark.parametrize("command", [["serve"], ["plugins", "list"]], ids=["serve", "list"])
def test_a_wrong_setting_stops_with_one_sentence_that_names_it(
    tmp_path: Path, variable: str, value: str, command: list[str]
) -> None:
    done = flask(tmp_path / "instance", *command, **{variable: value})
    assert done.returncode != 0
    assert variable in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("variable", ["CADENCE_INSTANCE", "CADENCE_STORE_PLUGIN", "CADENCE_STORE_ARCHIVED"])
def test_a_folder_that_is_a_file_is_told_in_one_sentence(tmp_path: Path, variable: str) -> None:
    file = tmp_path / "file"
    file.write_text("I am a file")
    archive = write_archive(tmp_path, plugin_files())
    done = flask(tmp_path / "instance", "plugins", "upload", str(archive), **{variable: str(file)})
    assert done.returncode != 0
    assert variable in done.stderr
    assert "Traceback" not in done.stderr
