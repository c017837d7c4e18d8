"""The files of a version as they lie in a folder, which anybody may have put anything into."""

import hashlib
import os
from pathlib import Path

import pytest

from cadence import inventory
from cadence.comparison import FileContents, FileFacts
from cadence.comparison.texts import MAX_TEXT_BYTES
from cadence.inventory import contents, file_facts


def test_every_file_is_known_by_its_path_size_and_digest(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.py").write_bytes(b"text")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"left by tools")
    assert file_facts(tmp_path, "demo 1.0") == {"inner/a.py": FileFacts(4, hashlib.sha256(b"text").hexdigest())}
    assert contents(tmp_path, "inner/a.py") == FileContents(b"text", 4)


def test_a_name_that_is_no_text_is_shown_as_its_bytes(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.py")).write_bytes(b"")
    assert list(file_facts(tmp_path, "demo 1.0")) == [r"\xff.py"]


def test_a_folder_that_is_missing_or_holds_links_is_not_known(tmp_path: Path) -> None:
    assert "cannot be read" in file_facts(tmp_path / "absent", "demo 1.0")
    (tmp_path / "passwd").symlink_to("/etc/passwd")
    assert file_facts(tmp_path, "demo 1.0") == (
        "The files of demo 1.0 are not compared: passwd is a link or a device. "
        "Put a plain file in its place, or remove it."
    )


@pytest.mark.parametrize("limit", ["MAX_FILES", "MAX_BYTES"])
def test_more_than_is_read_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(inventory, limit, 3)
    assert len(file_facts(tmp_path, "demo 1.0")) == 3
    monkeypatch.setattr(inventory, limit, 2)
    assert file_facts(tmp_path, "demo 1.0") == "The files of demo 1.0 are too many or too large to be compared."


def test_only_plain_files_inside_have_contents(tmp_path: Path) -> None:
    folder = tmp_path / "plugin"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "way").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    for path in (
        "link",
        "way/secret",
        "pipe",
        "inner",
        "../secret",
        "inner/../../secret",
        "/etc/passwd",
        "a\0",
        "\ud800",
    ):
        assert contents(folder, path) is None, path


def test_of_a_large_file_no_more_is_read_than_is_compared(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10 * MAX_TEXT_BYTES)
    found = contents(tmp_path, "large")
    assert found is not None
    assert (len(found.start), found.size_bytes) == (MAX_TEXT_BYTES + 1, 10 * MAX_TEXT_BYTES)
