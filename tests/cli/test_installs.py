"""``flask plugins installs``, ``cancel``, ``validate --trial`` and ``--upgrade``."""

import json
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.model import InstallRecord, InstallState
from cadence.parts import Parts
from cadence.storage.index import Index
from tests.building import plugin_files, write_archive, write_folder
from tests.cli.conftest import Run
from tests.dependencies.shelf import Shelf
from tests.installs.uploads import GATED, Gate, submit
from tests.web.api.asking import traces


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The only place where uv finds packages during the test."""
    shelf = Shelf(tmp_path)
    monkeypatch.setenv("UV_FIND_LINKS", str(shelf.folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return shelf


@pytest.fixture
def settings(tmp_path: Path, shelf: Shelf) -> Settings:
    return Settings(instance=tmp_path / "instance", wheelhouse=shelf.folder)


def needing(folder: Path, *dependencies: str) -> Path:
    return write_archive(folder, plugin_files(dependencies=dependencies))


def test_an_instance_without_installs_says_so(run: Run) -> None:
    assert run("installs").stdout == "Nothing was installed yet.\n"
    assert json.loads(run("installs", "--json").stdout) == []


def test_installs_and_checks_are_listed_the_newest_first(run: Run, tmp_path: Path) -> None:
    archive = write_archive(tmp_path, plugin_files())
    run("upload", archive)
    run("upload", archive)
    run("validate", archive)
    lines = [line.split() for line in run("installs").stdout.splitlines()]
    assert [line[1:] for line in lines] == [
        ["succeeded", "check", "demo_plugin-1.0.0.zip"],
        ["failed", "install", "demo_plugin-1.0.0.zip"],
        ["succeeded", "install", "demo_plugin-1.0.0.zip"],
    ]
    assert len(run("installs", "--limit", "1").stdout.splitlines()) == 1
    records = json.loads(run("installs", "--json").stdout)
    assert [record["id"] for record in records] == [line[0] for line in lines]


def test_an_install_that_runs_elsewhere_is_cancelled(run: Run, parts: Parts, settings: Settings) -> None:
    install_id = submit(parts, tools=GATED)
    Gate(settings, "demo_plugin").await_waiting()
    assert f"{install_id}  running  install  demo_plugin-1.0.0.zip" in run("installs").stdout
    done = run("cancel", install_id)
    words = "The install of demo_plugin-1.0.0.zip was cancelled. Nothing of it is left.\n"
    assert (done.exit_code, done.stdout) == (0, words)
    assert traces(parts).versions == frozenset()


def test_what_cannot_be_cancelled_is_told(run: Run, tmp_path: Path, settings: Settings) -> None:
    run("upload", write_archive(tmp_path, plugin_files()))
    with Index.open(settings.instance / "index.db") as index:
        (over,) = index.installs(1)
        index.start_install(InstallRecord("orphan", "x-1.zip", InstallState.RUNNING, over.created_at), "nobody")
    for install_id, words in ((over.id, "is over"), ("orphan", "is over"), ("absent", "There is no install 'absent'")):
        result = run("cancel", install_id)
        assert result.exit_code == 1
        assert words in result.stderr


def test_a_check_shows_what_an_install_would_add(run: Run, shelf: Shelf, tmp_path: Path) -> None:
    wheel = shelf.wheel("alpha", "1.0")
    archive = needing(tmp_path, "alpha>=1", "pydantic>=2")
    result = run("validate", archive)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "demo_plugin-1.0.0 is valid, as far as that can be told without a trial."
    assert f"  would add alpha 1.0 ({wheel.stat().st_size} bytes, for alpha>=1)" in lines
    assert f"  to download: {wheel.stat().st_size} bytes at most" in lines
    assert any(line.startswith("  already there: pydantic 2.") for line in lines)
    assert "  warning: It was not tried out" in result.stdout
    assert run("list", "--json").stdout == "[]\n"


@pytest.mark.parametrize("packed", [True, False])
def test_a_check_with_a_trial_tries_it_out_with_its_packages(
    run: Run, shelf: Shelf, tmp_path: Path, packed: bool
) -> None:
    shelf.wheel("alpha", "1.0")
    files = plugin_files(dependencies=("alpha>=1",))
    path = needing(tmp_path, "alpha>=1") if packed else write_folder(tmp_path / "demo_plugin-1.0.0", files)
    result = run("validate", "--trial", path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [
        "demo_plugin-1.0.0 is valid: A plugin for tests",
        "  tool add: Add two numbers.",
    ]
    assert "  would add alpha 1.0 (" in result.stdout


def test_a_check_of_an_installed_version_names_the_option_that_replaces_it(run: Run, tmp_path: Path) -> None:
    archive = write_archive(tmp_path, plugin_files())
    run("upload", archive)
    assert "  installed already: flask plugins upload --force replaces it" in run("validate", archive).stdout


def test_an_upload_is_resolved_anew_on_request(run: Run, shelf: Shelf, settings: Settings, tmp_path: Path) -> None:
    def lock() -> str:
        with Index.open(settings.instance / "index.db") as index:
            (record,) = index.versions()
            assert record.environment is not None
            return index.lock_of(record.environment) or ""

    shelf.wheel("alpha", "1.0")
    archive = needing(tmp_path, "alpha")
    run("upload", archive)
    shelf.wheel("alpha", "2.0")
    run("upload", "--force", archive)
    assert '"1.0"' in lock()
    assert "would add alpha 2.0" in run("validate", "--upgrade", archive).stdout
    run("upload", "--force", "--upgrade", archive)
    assert '"2.0"' in lock()
