"""``flask plugins activate``, ``rollback``, ``pin`` … without a server: what they do and say."""

import json
import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from cadence import create_app
from cadence.config import Settings
from cadence.history import Reason
from cadence.model import PluginRef
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from cadence.storage.index import Index
from tests.building import plugin_files, write_archive, write_folder
from tests.cli.conftest import Run
from tests.conftest import parts_of

#: Does not load with a certain value in its environment.
BREAKABLE = """
    import os
    from cadence_sdk import tool

    @tool
    def add(a: int, b: int) -> int:
        "Add two numbers."
        return a + b

    TOOLS = [add]
    if os.environ.get("BROKEN"):
        raise RuntimeError("it does not load any more")
"""


def upload(run: Run, folder: Path, *versions: str, tools: str | None = None) -> None:
    for version in versions:
        files = plugin_files(version=version, **({"tools": tools} if tools else {}))  # type: ignore[arg-type]  # one of its own options
        result = run("upload", write_archive(folder, files, version=version))
        assert result.exit_code == 0, result.output


def active(settings: Settings) -> str | None:
    with Index.open(settings.instance / "index.db") as index:
        state = index.plugin_state("demo_plugin")
        return state.active_version if state else None


def take_back(settings: Settings, version: str, words: str) -> None:
    with Index.open(settings.instance / "index.db") as index:
        record = index.version(PluginRef("demo_plugin", version))
        assert record is not None
        assert index.take_back(record.ref, record.install_id, Reason("crashes", words))


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    found: list[str] = result.stdout.splitlines()
    return found


@pytest.fixture
def no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a runtime from now on fails, as a server does that a plugin keeps from starting."""

    def start(*_: object, **__: object) -> None:
        raise RuntimeError("a runtime was started")

    monkeypatch.setattr(Parts, "start", start)


def test_an_installed_version_is_activated(run: Run, tmp_path: Path, settings: Settings) -> None:
    upload(run, tmp_path, "1.0.0", "2.0.0")
    assert lines(run("activate", "demo_plugin", "1.0.0")) == ["demo_plugin 1.0.0 is active now, in the place of 2.0.0."]
    assert active(settings) == "1.0.0"
    assert "pinned" in lines(run("activate", "demo_plugin", "2.0.0", "--pin"))[0]
    assert lines(run("list"))[0].split()[:3] == ["demo_plugin-2.0.0", "active,", "pinned"]


def test_a_version_that_does_not_load_is_not_activated(run: Run, tmp_path: Path, settings: Settings) -> None:
    upload(run, tmp_path, "1.0.0", tools=BREAKABLE)
    upload(run, tmp_path, "2.0.0")
    assert run("grant", "demo_plugin", "--env", "BROKEN=yes").exit_code == 0
    result = run("activate", "demo_plugin", "1.0.0")
    assert result.exit_code == 1
    assert "it does not load any more" in result.stderr
    assert active(settings) == "2.0.0"


def test_a_rollback_and_a_disabling_start_no_runtime(
    run: Run, tmp_path: Path, settings: Settings, request: pytest.FixtureRequest
) -> None:
    upload(run, tmp_path, "1.0.0", "1.1.0", "2.0.0")
    request.getfixturevalue("no_runtime")
    assert lines(run("rollback", "demo_plugin")) == ["demo_plugin 1.1.0 is active now, in the place of 2.0.0."]
    assert lines(run("rollback", "demo_plugin")) == ["demo_plugin 1.0.0 is active now, in the place of 1.1.0."]
    result = run("rollback", "demo_plugin")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: Nothing to roll back to")
    assert active(settings) == "1.0.0"
    assert lines(run("disable", "demo_plugin")) == ["demo_plugin is disabled: nothing of it runs until it is enabled."]
    assert "disabled" in lines(run("list"))[2]
    assert any("flask plugins enable demo_plugin" in line for line in lines(run("show", "demo_plugin")))
    for arguments in (("history", "demo_plugin"), ("deleted",), ("health",), ("pin", "demo_plugin")):
        assert run(*arguments).exit_code == 0


def test_a_disabled_plugin_is_enabled_when_it_loads(run: Run, tmp_path: Path, settings: Settings) -> None:
    upload(run, tmp_path, "1.0.0")
    run("disable", "demo_plugin")
    assert run("call", "demo_plugin", "add", '{"a": 1, "b": 1}').exit_code == 1
    tools = settings.plugin_dir / "demo_plugin-1.0.0" / "tools.py"
    good = tools.read_text()
    tools.write_text("raise RuntimeError('it does not load any more')")
    failed = run("enable", "demo_plugin")
    assert failed.exit_code == 1
    assert "it does not load any more" in failed.stderr
    assert "disabled" in lines(run("list"))[0]
    tools.write_text(good)
    assert lines(run("enable", "demo_plugin")) == ["demo_plugin is enabled: 1.0.0 answers again."]
    assert run("call", "demo_plugin", "add", '{"a": 1, "b": 1}').stdout == "2\n"


def test_a_pinned_version_stays_until_it_is_unpinned(run: Run, tmp_path: Path, settings: Settings) -> None:
    upload(run, tmp_path, "1.0.0", "1.1.0")
    assert lines(run("pin", "demo_plugin", "1.0.0"))[0].startswith("demo_plugin 1.0.0 is pinned")
    upload(run, tmp_path, "2.0.0")
    assert active(settings) == "1.0.0"
    assert lines(run("unpin", "demo_plugin"))[0].startswith("demo_plugin is not pinned any more")
    upload(run, tmp_path, "3.0.0")
    assert active(settings) == "3.0.0"


def test_a_version_that_was_taken_back_is_listed_with_the_reason(run: Run, tmp_path: Path, settings: Settings) -> None:
    upload(run, tmp_path, "1.0.0", "1.1.0")
    take_back(settings, "1.1.0", "It crashed:\n\x1b[31mred")
    assert lines(run("list")) == [
        "demo_plugin-1.1.0  quarantined  A plugin for tests",
        r"    taken back: It crashed:\n\x1b[31mred",
        "demo_plugin-1.0.0  active       A plugin for tests",
    ]
    assert r"    taken back: It crashed:\n\x1b[31mred" in lines(run("show", "demo_plugin"))
    records = json.loads(run("list", "--json").stdout)
    assert [record["quarantine"] for record in records] == ["It crashed:\n\x1b[31mred", None]
    assert run("activate", "demo_plugin", "1.1.0").exit_code == 0
    assert "quarantined" not in run("list").stdout


def test_a_deletion_says_how_it_is_undone_and_is(run: Run, tmp_path: Path, settings: Settings) -> None:
    upload(run, tmp_path, "1.0.0")
    archive = (settings.archive_dir / "demo_plugin-1.0.0.zip").read_bytes()
    assert lines(run("deleted")) == ["Nothing was deleted that could be brought back."]
    assert lines(run("delete", "--yes", "demo_plugin", "1.0.0"))[1].endswith("flask plugins restore demo_plugin 1.0.0")
    (line,) = lines(run("deleted"))
    assert line.startswith("demo_plugin 1.0.0  deleted 20")
    assert line.endswith("Z  was active")
    (listed,) = json.loads(run("deleted", "--json").stdout)
    assert (listed["name"], listed["version"], listed["was_active"]) == ("demo_plugin", "1.0.0", True)
    assert lines(run("restore", "demo_plugin", "1.0.0")) == ["demo_plugin 1.0.0 is active again."]
    assert run("call", "demo_plugin", "add", '{"a": 2, "b": 3}').stdout == "5\n"
    assert (settings.archive_dir / "demo_plugin-1.0.0.zip").read_bytes() == archive
    assert run("restore", "demo_plugin", "1.0.0").exit_code == 1


def test_the_history_tells_what_happened(run: Run, tmp_path: Path, settings: Settings) -> None:
    upload(run, tmp_path, "1.0.0", "1.1.0")
    take_back(settings, "1.1.0", "It crashed:\n3 times")
    run("pin", "demo_plugin")
    told = [line[20:].strip() for line in lines(run("history", "demo_plugin"))]
    user = pwd.getpwuid(os.getuid()).pw_name
    assert told[0] == f"1.0.0  Pinned  (command line {user})"
    assert r"1.1.0  Taken back: It crashed:\n3 times  (server)" in told
    assert told[-1] == f"1.0.0  Installed and activated  (command line {user})"
    assert len(lines(run("history", "demo_plugin", "--limit", "1"))) == 1
    entries = json.loads(run("history", "demo_plugin", "--json").stdout)
    assert [entry["kind"] for entry in entries][-2:] == ["install", "install"]


def test_the_history_of_all_plugins_and_parts_of_it_can_be_asked_for(run: Run, tmp_path: Path) -> None:
    upload(run, tmp_path, "1.0.0", "1.1.0")
    run("disable", "demo_plugin")
    run("reload")
    (reload, disabled, *_) = lines(run("history"))
    assert "every plugin  -  Reload asked for" in reload
    assert "demo_plugin  -  Disabled" in disabled
    assert len(lines(run("history", "--kind", "installs", "--version", "1.1.0"))) == 1
    assert lines(run("history", "demo_plugin", "--origin", "page")) == []


def test_a_folder_put_in_by_hand_is_shown_as_such(run: Run, settings: Settings) -> None:
    write_folder(settings.plugin_dir / "demo_plugin-1.0.0", plugin_files())
    app = create_app(settings)
    parts_of(app).start().adopter.adopt_folders()
    parts_of(app).close()
    assert any(line.endswith("from a folder put in by hand") for line in lines(run("show", "demo_plugin")))


@pytest.mark.parametrize(
    "arguments",
    [
        *[(command, "absent") for command in ("rollback", "pin", "unpin", "disable", "enable", "history")],
        *[(command, "absent", "1.0.0") for command in ("activate", "pin", "restore")],
        *[("activate", name, "1.0.0") for name in ("..", "../..", "a/b", ".hidden", "x" * 300)],
        *[("health", "absent"), ("health", "absent", "--check"), ("test", "absent")],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_told_and_leaves_nothing(run: Run, settings: Settings, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: Not found")
    assert not list(settings.instance.rglob("locks/*"))


def test_in_safe_mode_the_index_is_changed_and_nothing_is_run(
    run: Run, tmp_path: Path, settings: Settings, zygote: Zygote
) -> None:
    upload(run, tmp_path, "1.0.0", "1.1.0", tools=BREAKABLE)
    run("grant", "demo_plugin", "--env", "BROKEN=yes")
    safe = create_app(replace(settings, safe_mode=True), zygote)
    try:
        runner = safe.test_cli_runner()
        for arguments in (("activate", "demo_plugin", "1.0.0"), ("disable", "demo_plugin"), ("enable", "demo_plugin")):
            result = runner.invoke(args=["plugins", *arguments])
            assert result.exit_code == 0, result.output
    finally:
        parts_of(safe).close()
    assert active(settings) == "1.0.0"


def test_a_running_server_follows_and_its_answer_is_waited_for(
    run: Run, app: Flask, tmp_path: Path, settings: Settings
) -> None:
    upload(run, tmp_path, "1.0.0", "2.0.0")
    parts_of(app).start(serve=True)
    client = app.test_client()

    def calls() -> tuple[int, str | None]:
        answer = client.post("/api/v1/plugins/demo_plugin/tools/add", json={"a": 2, "b": 3})
        return answer.status_code, answer.get_json().get("plugin_version")

    assert calls() == (200, "2.0.0")
    followed = f"server {os.getpid()}: followed"
    assert lines(run("rollback", "demo_plugin"))[1:] == [followed]
    assert calls() == (200, "1.0.0")
    assert lines(run("activate", "demo_plugin", "2.0.0"))[1:] == [followed]
    assert calls() == (200, "2.0.0")
    assert lines(run("disable", "demo_plugin"))[1:] == [followed]
    assert calls()[0] == 503
    assert lines(run("enable", "demo_plugin"))[1:] == [followed]
    assert calls() == (200, "2.0.0")


def test_a_server_in_which_the_version_does_not_load_is_told_with_exit_code_1(
    run: Run, app: Flask, tmp_path: Path, settings: Settings
) -> None:
    upload(run, tmp_path, "1.0.0", "2.0.0")
    (settings.plugin_dir / "demo_plugin-1.0.0" / "tools.py").write_text("raise RuntimeError('\\x1b[31m it is broken')")
    parts_of(app).start(serve=True)
    answer = app.test_client().post("/api/v1/plugins/demo_plugin/tools/add", json={"a": 2, "b": 3})
    assert answer.get_json()["plugin_version"] == "2.0.0"
    result = run("rollback", "demo_plugin")
    assert result.exit_code == 1
    assert f"server {os.getpid()}: " in result.stdout
    assert "it is broken" in result.stdout
    assert "\x1b" not in result.stdout
