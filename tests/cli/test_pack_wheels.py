"""``flask plugins pack --with-wheels``: an archive that installs where there is no network."""

import random
import zipfile
from pathlib import Path

import pytest
from msgspec import json

from cadence.config import MIB, Settings
from cadence.intake.limits import bytes_in_words
from tests.building import plugin_files, write_folder
from tests.cli.conftest import Run
from tests.dependencies.shelf import Shelf

TOOLS = """
    import alpha
    from cadence_sdk import tool

    @tool
    def version() -> str:
        "Tell the version."
        return alpha.version

    TOOLS = [version]
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "shelf").mkdir()
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def max_upload_bytes() -> int:
    return 50 * MIB


@pytest.fixture
def offline() -> bool:
    return True


@pytest.fixture
def settings(tmp_path: Path, shelf: Shelf, max_upload_bytes: int, offline: bool) -> Settings:
    """A machine that gets packages from the shelf and, unless a test says otherwise, from nowhere else."""
    return Settings(
        instance=tmp_path / "instance",
        wheelhouse=shelf.folder,
        offline=offline,
        max_upload_bytes=max_upload_bytes,
    )


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "out"


def folder(tmp_path: Path, *dependencies: str, **more: str) -> Path:
    files = plugin_files(dependencies=dependencies, tools=TOOLS) | {
        key.replace("__", "."): text for key, text in more.items()
    }
    return write_folder(tmp_path / "demo_plugin-1.0.0", files)


def wheels_in(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as packed:
        return [name for name in packed.namelist() if name.startswith("wheels/")]


def test_the_wheels_of_all_it_needs_are_in_the_archive_and_told(
    run: Run, tmp_path: Path, shelf: Shelf, into: Path
) -> None:
    shelf.wheel("alpha", "1.0")
    shelf.wheel("alpha", "2.0", requires=["beta"])
    shelf.wheel("beta")
    shelf.wheel("other")

    result = run("pack", folder(tmp_path, "alpha>=1"), "--into", into, "--with-wheels")

    assert result.exit_code == 0
    archive = into / "demo_plugin-1.0.0.zip"
    assert wheels_in(archive) == ["wheels/alpha-2.0-py3-none-any.whl", "wheels/beta-1.0-py3-none-any.whl"]
    *wheels, total, path = result.stdout.splitlines()
    assert [line.split()[0] for line in wheels] == ["alpha-2.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"]
    assert all(line.endswith(("bytes", "KiB")) for line in wheels)
    assert total.startswith("2 wheels, ")
    assert path == str(archive)
    assert list(into.iterdir()) == [archive]


def test_a_server_without_any_network_installs_it(
    run: Run, tmp_path: Path, shelf: Shelf, into: Path, settings: Settings
) -> None:
    wheel = shelf.wheel("alpha", "2.0")
    run("pack", folder(tmp_path, "alpha"), "--into", into, "--with-wheels")
    wheel.unlink()

    uploaded = run("upload", into / "demo_plugin-1.0.0.zip")

    assert uploaded.exit_code == 0, uploaded.output
    assert json.decode(run("call", "demo_plugin", "version").stdout) == "2.0"


def test_it_packs_the_same_bytes_every_time(run: Run, tmp_path: Path, shelf: Shelf, into: Path) -> None:
    shelf.wheel("alpha")
    plugin = folder(tmp_path, "alpha")
    run("pack", plugin, "--into", into, "--with-wheels")
    first = (into / "demo_plugin-1.0.0.zip").read_bytes()
    run("pack", plugin, "--into", into, "--with-wheels")
    assert (into / "demo_plugin-1.0.0.zip").read_bytes() == first


@pytest.mark.parametrize(
    "dependencies", [(), ("pydantic>=2", "cadence-sdk>=1.3"), ("colorama; sys_platform=='win32'",)]
)
def test_a_plugin_that_needs_nothing_more_is_packed_as_always(
    run: Run, tmp_path: Path, into: Path, dependencies: tuple[str, ...]
) -> None:
    plugin = folder(tmp_path, *dependencies)
    result = run("pack", plugin, "--into", into, "--with-wheels")
    assert result.exit_code == 0
    assert "no package beside those that every plugin has" in result.stdout
    packed = (into / "demo_plugin-1.0.0.zip").read_bytes()
    run("pack", plugin, "--into", into)
    assert (into / "demo_plugin-1.0.0.zip").read_bytes() == packed


def test_wheels_that_are_there_are_taken_first_and_stay_as_they_are(
    run: Run, tmp_path: Path, shelf: Shelf, into: Path
) -> None:
    plugin = folder(tmp_path, "alpha")
    kept = plugin / "wheels"
    kept.mkdir()
    shelf.wheel("alpha", "1.0", files={"alpha/own.py": ""}).rename(kept / "alpha-1.0-py3-none-any.whl")
    shelf.wheel("unneeded").rename(kept / "unneeded-1.0-py3-none-any.whl")
    shelf.wheel("alpha", "1.0")
    before = {path.name: path.read_bytes() for path in kept.iterdir()}

    result = run("pack", plugin, "--into", into, "--with-wheels")

    assert result.exit_code == 0, result.output
    assert str(kept) in result.stderr
    archive = into / "demo_plugin-1.0.0.zip"
    assert wheels_in(archive) == ["wheels/alpha-1.0-py3-none-any.whl"]
    with zipfile.ZipFile(archive) as packed, packed.open("wheels/alpha-1.0-py3-none-any.whl") as wheel:
        assert "alpha/own.py" in zipfile.ZipFile(wheel).namelist()
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


@pytest.mark.parametrize("max_upload_bytes", [50_000, 140_000])  # much too little, and a bit too little
def test_wheels_that_are_too_much_for_the_server_are_told_with_the_setting(
    run: Run, tmp_path: Path, shelf: Shelf, into: Path, max_upload_bytes: int
) -> None:
    shelf.wheel("alpha", files={"alpha/data.txt": random_text(260_000)})
    result = run("pack", folder(tmp_path, "alpha"), "--into", into, "--with-wheels")
    assert result.exit_code == 1
    assert "The wheels make it " in result.stderr
    assert f"this server takes {bytes_in_words(max_upload_bytes)} (CADENCE_MAX_UPLOAD_BYTES)" in result.stderr
    assert not list(into.iterdir())


@pytest.mark.parametrize("max_upload_bytes", [500])
@pytest.mark.usefixtures("max_upload_bytes")
def test_an_archive_that_is_too_large_without_wheels_is_told_too(run: Run, tmp_path: Path, into: Path) -> None:
    result = run("pack", folder(tmp_path), "--into", into)
    assert result.exit_code == 1
    assert "this server takes 500 bytes (CADENCE_MAX_UPLOAD_BYTES)" in result.stderr
    assert not list(into.iterdir())


def random_text(characters: int) -> str:
    """Letters that do not compress well."""
    return "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=characters))


def test_what_a_package_cannot_be_had_for_is_said_and_nothing_is_left(run: Run, tmp_path: Path, into: Path) -> None:
    result = run("pack", folder(tmp_path, "nowhere>=3"), "--into", into, "--with-wheels")
    assert result.exit_code == 1
    assert "Dependency installation failed (demo_plugin 1.0.0)" in result.stderr
    assert "Failed to install: nowhere>=3" in result.stderr
    assert not list(into.iterdir())


def test_a_folder_that_is_no_plugin_gets_no_wheels(run: Run, tmp_path: Path, into: Path) -> None:
    (tmp_path / "demo_plugin-1.0.0").mkdir()
    result = run("pack", tmp_path / "demo_plugin-1.0.0", "--into", into, "--with-wheels")
    assert result.exit_code == 1
    assert "Missing required file: __init__.py" in result.stderr
    assert not list(into.iterdir())


def test_computed_dependencies_are_told_and_those_of_the_project_file_are_taken(
    run: Run, tmp_path: Path, shelf: Shelf, into: Path
) -> None:
    shelf.wheel("alpha")
    plugin = folder(tmp_path, pyproject__toml='[project]\nname = "demo"\nversion = "1"\ndependencies = ["alpha"]\n')
    source = (plugin / "plugin.py").read_text()
    (plugin / "plugin.py").write_text(source.replace("dependencies=[]", "dependencies=open('list.txt').readlines()"))
    result = run("pack", plugin, "--into", into, "--with-wheels")
    assert result.exit_code == 0, result.output
    assert "computes its dependencies" in result.stdout
    assert wheels_in(into / "demo_plugin-1.0.0.zip") == ["wheels/alpha-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("offline", [False])
@pytest.mark.usefixtures("offline")
def test_a_plugin_that_conflicts_with_the_server_gets_all_it_imports_but_the_sdk(
    run: Run, tmp_path: Path, into: Path
) -> None:
    plugin = folder(tmp_path, "pydantic<2.12", "cadence-sdk>=1.3")
    result = run("pack", plugin, "--into", into, "--with-wheels")
    assert result.exit_code == 0, result.output
    assert "isolated: The plugin needs pydantic<2.12" in result.stdout
    packages = {name.removeprefix("wheels/").partition("-")[0] for name in wheels_in(into / "demo_plugin-1.0.0.zip")}
    assert {"pydantic", "pydantic_core", "langchain_core", "msgspec"} <= packages
    assert "cadence_sdk" not in packages


def test_the_store_and_the_index_of_the_server_are_not_touched(
    run: Run, tmp_path: Path, shelf: Shelf, into: Path, settings: Settings
) -> None:
    shelf.wheel("alpha")
    run("pack", folder(tmp_path, "alpha"), "--into", into, "--with-wheels")
    assert not (settings.instance / "environments").exists()
