"""The folder a plugin is written in: what of it counts, what is copied, and what it is called."""

import os
from pathlib import Path

import pytest

from cadence.errors import InvalidFilename, NotFound, ValidationFailed
from cadence.model import PluginRef
from cadence.working_copy import WorkingCopy
from tests.building import plugin_files, write_folder

NO_PART = [
    "__pycache__/tools.cpython-311.pyc",
    "tools.pyc",
    ".git/index",
    ".hg/dirstate",
    ".venv/lib/x.py",
    ".mypy_cache/x.json",
    ".idea/workspace.xml",
    ".DS_Store",
    "tools.py~",
    ".tools.py.swp",
    ".tools.py.swx",
    ".#tools.py",
    "#tools.py#",
    "4913",
    "tools.py___jb_tmp___",
    ".goutputstream-AB12",
    "sub/__pycache__/x.pyc",
]


@pytest.fixture
def source(folder: Path) -> WorkingCopy:
    return WorkingCopy(folder)


@pytest.mark.parametrize("path", NO_PART)
def test_caches_and_what_editors_keep_beside_a_file_are_no_part_of_the_plugin(
    source: WorkingCopy, tmp_path: Path, path: str
) -> None:
    before = source.glance()
    write_folder(source.folder, {path: "x"})
    assert not source.has(str(source.folder / path))
    assert source.glance() == before
    source.copy(tmp_path / "copy")
    assert not (tmp_path / "copy" / path).exists()


@pytest.mark.parametrize("path", ["tools.py", "data/words.txt", ".hidden", "a.tmp", "sub/plugin.py"])
def test_every_other_file_is(source: WorkingCopy, tmp_path: Path, path: str) -> None:
    before = source.glance()
    write_folder(source.folder, {path: "x"})
    assert source.has(str(source.folder / path))
    assert source.glance() != before
    source.copy(tmp_path / "copy")
    assert (tmp_path / "copy" / path).read_text() == "x"


def test_a_folder_above_that_is_called_like_a_cache_does_not_matter(tmp_path: Path) -> None:
    source = WorkingCopy(write_folder(tmp_path / ".venv" / "demo", plugin_files()))
    assert source.has(str(source.folder / "tools.py"))
    assert str(source.folder / "tools.py") in source.glance()


def test_what_lies_elsewhere_is_no_part_of_the_plugin(source: WorkingCopy, tmp_path: Path) -> None:
    assert not source.has(str(tmp_path / "tools.py"))


def test_an_edit_in_place_does_not_reach_a_copy(source: WorkingCopy, tmp_path: Path) -> None:
    source.copy(tmp_path / "copy")
    with (source.folder / "tools.py").open("r+") as file:
        file.write("# edited")
    assert "# edited" not in (tmp_path / "copy" / "tools.py").read_text()


def test_a_file_that_is_replaced_by_an_equal_one_looks_different(source: WorkingCopy) -> None:
    before = source.glance()
    text = (source.folder / "tools.py").read_text()
    (source.folder / "tools.py.new").write_text(text)
    (source.folder / "tools.py.new").replace(source.folder / "tools.py")
    assert source.glance() != before


def test_what_cannot_be_copied_is_named_and_nothing_is_left(source: WorkingCopy, tmp_path: Path) -> None:
    os.mkfifo(source.folder / "pipe")
    with pytest.raises(ValidationFailed) as refused:
        source.copy(tmp_path / "copy")
    assert [fault.culprit for fault in refused.value.faults] == ["pipe"]
    assert not (tmp_path / "copy").exists()


def test_a_link_is_copied_as_a_link_and_not_followed(source: WorkingCopy, tmp_path: Path) -> None:
    (source.folder / "link").symlink_to("/etc")
    source.copy(tmp_path / "copy")
    assert (tmp_path / "copy" / "link").is_symlink()


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no folder"):
        WorkingCopy(tmp_path / "nowhere").require_plugin()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed, match=r"it has no __init__\.py"):
        WorkingCopy(write_folder(tmp_path / "notes", {"notes.txt": "x"})).require_plugin()


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        ("demo_plugin-2.0.0", plugin_files(), PluginRef("demo_plugin", "2.0.0")),
        ("anything", plugin_files(), PluginRef("demo_plugin", "1.0.0")),
        (
            "src",
            plugin_files(files={"plugin.py": None, "pyproject.toml": '[project]\nname = "other"\nversion = "3.1"\n'}),
            PluginRef("other", "3.1"),
        ),
    ],
)
def test_name_and_version_come_from_the_folder_or_from_its_files(
    tmp_path: Path, name: str, files: dict[str, str], expected: PluginRef
) -> None:
    assert WorkingCopy(write_folder(tmp_path / name, files)).identify() == expected


def test_where_a_module_cannot_be_read_that_is_said_and_not_that_there_is_no_name(source: WorkingCopy) -> None:
    (source.folder / "plugin.py").write_text("x = 1\ndef broken(:\n")
    with pytest.raises(ValidationFailed) as refused:
        source.identify()
    assert [fault.culprit for fault in refused.value.faults] == ["plugin.py:2"]


def test_where_nothing_states_a_name_that_is_said(tmp_path: Path) -> None:
    source = WorkingCopy(write_folder(tmp_path / "demo", {"__init__.py": ""}))
    with pytest.raises(InvalidFilename, match="tells no name and version"):
        source.identify()
