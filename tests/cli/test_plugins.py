"""``flask plugins …`` without a server: what each command does, says, and answers with as its exit code."""

import json
import zipfile
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.model import PluginRef
from cadence.storage.index import Index
from tests.building import archive_bytes, plugin_files, write_archive, write_folder
from tests.cli.conftest import Run

BROKEN = plugin_files(files={"plugin.py": None, "agent.py": None})

FAILING = """
    from cadence_sdk import tool

    @tool
    def fail() -> None:
        "Fail."
        raise ValueError("broken")

    TOOLS = [fail]
"""


def installed(settings: Settings) -> set[str]:
    with Index.open(settings.instance / "index.db") as index:
        return {record.ref.slug for record in index.versions()}


def files_below(folder: Path) -> set[Path]:
    """What counts: not the index, and not the folders and locks that every command may make."""
    kept = {path for path in folder.rglob("*") if path.is_file()}
    return {path for path in kept if path.parent.name != "locks" and not path.name.startswith(("index.db", "recovery"))}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path, plugin_files())


def test_an_empty_instance_says_how_to_begin(run: Run) -> None:
    result = run("list")
    assert result.exit_code == 0
    assert "flask plugins upload NAME-VERSION.zip" in result.output
    assert json.loads(run("list", "--json").stdout) == []


def test_an_upload_is_installed_and_listed(run: Run, archive: Path, tmp_path: Path) -> None:
    result = run("upload", archive)
    assert (result.exit_code, result.stdout) == (0, "demo_plugin-1.0.0: active; tools: add\n")
    run("upload", write_archive(tmp_path, plugin_files(version="0.9.0"), version="0.9.0"))
    lines = run("list").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["demo_plugin-1.0.0", "active"], ["demo_plugin-0.9.0", "A"]]
    records = json.loads(run("list", "--json").stdout)
    assert [(record["ref"]["version"], record["active"]) for record in records] == [("1.0.0", True), ("0.9.0", False)]


def test_a_plugin_is_shown_with_its_versions_and_tools(run: Run, archive: Path, settings: Settings) -> None:
    run("upload", archive)
    result = run("show", "demo_plugin")
    assert result.exit_code == 0
    assert "1.0.0  active" in result.stdout
    assert str(settings.plugin_dir / "demo_plugin-1.0.0") in result.stdout
    assert "add(a, b)  Add two numbers." in result.stdout
    (record,) = json.loads(run("show", "demo_plugin", "--json").stdout)
    assert record["report"]["tools"][0]["name"] == "add"


def test_several_archives_are_installed_and_a_refused_one_is_told_and_keeps_no_other(
    run: Run, tmp_path: Path, settings: Settings
) -> None:
    broken = write_archive(tmp_path, BROKEN, "broken")
    good = [write_archive(tmp_path, plugin_files(name), name) for name in ("first", "last")]
    result = run("upload", good[0], broken, good[1])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "broken-1.0.0.zip: Plugin validation failed"
    assert "  - Missing required file: plugin.py" in result.stderr
    assert "  - Missing required file: agent.py" in result.stderr
    assert installed(settings) == {"first-1.0.0", "last-1.0.0"}


def test_an_installed_version_is_replaced_only_by_force(run: Run, archive: Path) -> None:
    run("upload", archive)
    again = run("upload", archive)
    assert again.exit_code == 1
    assert "demo_plugin-1.0.0.zip: Plugin already exists" in again.stderr
    assert run("upload", "--force", archive).exit_code == 0


def test_the_refusal_of_an_existing_version_names_the_option_of_this_command(run: Run, archive: Path) -> None:
    run("upload", archive)
    assert "--force" in run("upload", archive).stderr


def test_a_version_can_be_installed_without_being_activated(run: Run, archive: Path, tmp_path: Path) -> None:
    run("upload", archive)
    result = run("upload", "--no-activate", write_archive(tmp_path, plugin_files(version="2.0.0"), version="2.0.0"))
    assert (result.exit_code, result.stdout) == (0, "demo_plugin-2.0.0: installed, not active; tools: add\n")
    older = run("upload", "--activate", write_archive(tmp_path, plugin_files(version="0.1"), version="0.1"))
    assert "demo_plugin-0.1: active" in older.stdout


def test_the_archive_that_is_uploaded_stays_where_it_is(run: Run, archive: Path) -> None:
    content = archive.read_bytes()
    run("upload", archive)
    assert archive.read_bytes() == content


def test_a_deletion_is_asked_for_and_falls_back(run: Run, tmp_path: Path, settings: Settings) -> None:
    for version in ("1.0.0", "1.1.0"):
        run("upload", write_archive(tmp_path, plugin_files(version=version), version=version))
    refused = run("delete", "demo_plugin", "1.1.0", input="n\n")
    assert refused.exit_code == 1
    assert installed(settings) == {"demo_plugin-1.0.0", "demo_plugin-1.1.0"}
    done = run("delete", "demo_plugin", "1.1.0", input="y\n")
    assert done.exit_code == 0
    assert "demo_plugin-1.1.0 is deleted. demo_plugin 1.0.0 is active now.\n" in done.stdout
    last = run("delete", "--yes", "demo_plugin", "1.0.0").stdout.splitlines()
    assert last[0] == "demo_plugin-1.0.0 is deleted."
    assert last[1].endswith("this brings it back: flask plugins restore demo_plugin 1.0.0")
    assert installed(settings) == set()
    assert not list(settings.plugin_dir.glob("demo*"))
    assert not list(settings.archive_dir.glob("demo*"))


@pytest.mark.parametrize(
    "arguments",
    [("show", "absent"), ("delete", "absent", "1.0.0", "--yes"), ("call", "absent", "tool"), ("delete", "..", "1")],
    ids=["show", "delete", "call", "dots"],
)
def test_what_is_not_there_is_told_with_exit_code_1(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Not found")
    assert arguments[1] in result.stderr
    assert result.stdout == ""


def test_a_reload_without_a_server_says_so(run: Run) -> None:
    result = run("reload")
    assert (result.exit_code, "No server is running" in result.stdout) == (0, True)


def test_a_valid_archive_is_told_so_and_leaves_nothing(run: Run, archive: Path, tmp_path: Path) -> None:
    run("list")
    before = files_below(tmp_path)
    result = run("validate", archive)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "demo_plugin-1.0.0 is valid: A plugin for tests"
    assert "  tool add: Add two numbers." in result.stdout
    assert files_below(tmp_path) == before
    assert run("list", "--json").stdout == "[]\n"


def test_a_valid_folder_is_told_so_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "demo_plugin-1.0.0", plugin_files())
    run("list")
    before = files_below(tmp_path)
    result = run("validate", folder)
    assert result.exit_code == 0
    assert "demo_plugin-1.0.0 is valid" in result.stdout
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("packed", [True, False])
def test_every_fault_of_an_archive_and_of_a_folder_is_told_and_nothing_is_left(
    run: Run, tmp_path: Path, packed: bool
) -> None:
    folder = write_folder(tmp_path / "demo_plugin-1.0.0", BROKEN)
    path = write_archive(tmp_path, BROKEN) if packed else folder
    run("list")
    before = files_below(tmp_path)
    result = run("validate", path)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Plugin validation failed (demo_plugin 1.0.0)")
    assert "  - Missing required file: plugin.py" in result.stderr
    assert "  - Missing required file: agent.py" in result.stderr
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("packed", [True, False])
def test_a_trial_that_fails_is_told_by_validate(run: Run, tmp_path: Path, packed: bool) -> None:
    files = plugin_files(tools="raise RuntimeError('at import')\nTOOLS = []\n")
    folder = write_folder(tmp_path / "demo_plugin-1.0.0", files)
    result = run("validate", write_archive(tmp_path, files) if packed else folder)
    assert result.exit_code == 1
    assert "at import" in result.stderr


def test_a_file_that_is_no_archive_is_told_by_validate(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "demo_plugin-1.0.0.zip"
    path.write_text("nothing")
    result = run("validate", path)
    assert result.exit_code == 1
    assert "File is not a valid ZIP archive" in result.stderr


def test_a_packed_folder_can_be_uploaded(run: Run, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "my-work", plugin_files())
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "tools.pyc").write_bytes(b"x")
    into = tmp_path / "out"
    into.mkdir()
    result = run("pack", folder, "--into", into)
    assert (result.exit_code, result.stdout) == (0, f"{into / 'demo_plugin-1.0.0.zip'}\n")
    with zipfile.ZipFile(into / "demo_plugin-1.0.0.zip") as packed:
        assert set(packed.namelist()) == set(plugin_files())
    assert run("upload", into / "demo_plugin-1.0.0.zip").exit_code == 0


def test_a_folder_that_is_no_plugin_is_not_packed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "demo_plugin-1.0.0"
    folder.mkdir()
    result = run("pack", folder, "--into", tmp_path)
    assert result.exit_code == 1
    assert "Missing required file: __init__.py" in result.stderr
    assert not list(tmp_path.glob("*.zip"))


def test_a_folder_to_pack_into_that_is_not_there_is_told_or_made(run: Run, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "demo_plugin-1.0.0", plugin_files())
    result = run("pack", folder, "--into", tmp_path / "absent")
    if result.exit_code == 0:
        assert (tmp_path / "absent" / "demo_plugin-1.0.0.zip").is_file()
    else:
        assert "absent" in result.stderr


def test_a_tool_is_called_and_its_result_is_json(run: Run, archive: Path) -> None:
    run("upload", archive)
    result = run("call", "demo_plugin", "add", '{"a": 2, "b": 3}')
    assert (result.exit_code, result.stdout) == (0, "5\n")


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "words"),
    [
        ("add", "nothing", 2, "must be a JSON object"),
        ("add", "[1]", 2, "must be a JSON object"),
        ("add", '{"a": "two", "b": 3}', 1, "Invalid arguments"),
        ("subtract", "{}", 1, "subtract"),
    ],
)
def test_a_call_that_fails_says_why(run: Run, archive: Path, tool: str, arguments: str, code: int, words: str) -> None:
    run("upload", archive)
    result = run("call", "demo_plugin", tool, arguments)
    assert result.exit_code == code
    assert words in result.stderr


def test_a_tool_that_raises_is_told_with_exit_code_1(run: Run, tmp_path: Path) -> None:
    run("upload", write_archive(tmp_path, plugin_files(tools=FAILING)))
    result = run("call", "demo_plugin", "fail")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "ValueError: broken" in result.stderr


def test_commands_leave_no_run_folder_and_no_upload(run: Run, archive: Path, settings: Settings) -> None:
    run("upload", archive)
    run("call", "demo_plugin", "add", '{"a": 2, "b": 3}')
    run("validate", archive)
    assert not list(settings.instance.glob("run/*"))
    assert not list(settings.instance.glob("owners/*"))
    assert not list(settings.archive_dir.glob(".uploads/*"))
    assert not list(settings.archive_dir.glob(".staging/*"))


def test_an_archive_over_the_cap_is_told(run: Run, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "demo_plugin-1.0.0.zip"
    with path.open("wb") as file:
        file.truncate(settings.max_upload_bytes + 1)
    for command in ("upload", "validate"):
        result = run(command, path)
        assert result.exit_code == 1
        assert "Upload too large" in result.stderr
    assert installed(settings) == set()


def test_files_of_an_archive_are_whole_in_the_store(run: Run, settings: Settings, archive: Path) -> None:
    run("upload", archive)
    ref = PluginRef("demo_plugin", "1.0.0")
    assert (settings.archive_dir / f"{ref.slug}.zip").read_bytes() == archive.read_bytes()
    folder = settings.plugin_dir / ref.slug
    assert {path.name: path.read_text() for path in folder.iterdir() if path.is_file()} == plugin_files()


def test_an_archive_is_taken_under_any_folder(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "demo_plugin-1.0.0.zip"
    path.parent.mkdir()
    path.write_bytes(archive_bytes({f"demo_plugin/{name}": text for name, text in plugin_files().items()}))
    assert run("upload", path).exit_code == 0
