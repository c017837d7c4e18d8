"""Snapshots and digests of trees that somebody else may have made, and may be changing."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.errors import NotFound, ValidationFailed
from cadence.model import PluginRef
from cadence.storage import tree
from tests.storage.house import FILES, House, folder_content

REF = PluginRef("math_plugin", "1.0.0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "hand_made-1.0.0"
    (folder / "docs").mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"{name}: first\n")
    return folder


def test_a_snapshot_stays_as_it_was_when_the_version_is_replaced_and_removed(house: House, tmp_path: Path) -> None:
    house.install("math_plugin", "1.0.0", "first")
    house.store.snapshot(REF, tmp_path / "snapshot")
    house.install("math_plugin", "1.0.0", "second")
    house.remove("math_plugin", "1.0.0")
    assert folder_content(tmp_path / "snapshot") == "first"


def test_a_snapshot_is_made_of_links(house: House, tmp_path: Path) -> None:
    house.install("math_plugin", "1.0.0")
    house.store.snapshot(REF, tmp_path / "snapshot")
    assert (tmp_path / "snapshot/plugin.py").samefile(house.store.folder(REF) / "plugin.py")


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_where_links_are_impossible_a_snapshot_is_made_of_copies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    (folder / "plugin.py").chmod(0o755)
    monkeypatch.setattr(os, "link", refuse)
    tree.snapshot(folder, tmp_path / "snapshot")
    assert folder_content(tmp_path / "snapshot") == "first"
    assert (tmp_path / "snapshot/plugin.py").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "snapshot/plugin.py").samefile(folder / "plugin.py")


def test_what_tools_leave_behind_is_not_in_a_snapshot_and_not_in_a_digest(folder: Path, tmp_path: Path) -> None:
    before = tree.digest(folder)
    (folder / "docs/__pycache__").mkdir()
    (folder / "docs/__pycache__/x.pyc").touch()
    (folder / ".git").mkdir()
    tree.snapshot(folder, tmp_path / "snapshot")
    assert folder_content(tmp_path / "snapshot") == "first"
    assert tree.digest(folder) == before


@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "pipe", "socket"])
def test_links_and_devices_are_refused_by_name_and_leave_nothing(
    folder: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    monkeypatch.chdir(folder / "docs")  # a socket's path has room for 107 bytes only
    if kind == "link to a file":
        Path("odd").symlink_to(secret / "key")
    elif kind == "link to a folder":
        Path("odd").symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo("odd")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("odd")
    for act in (tree.digest, lambda folder: tree.snapshot(folder, tmp_path / "snapshot")):
        with pytest.raises(ValidationFailed, match="docs/odd is a link or a device") as refused:
            act(folder)
        assert [fault.culprit for fault in refused.value.faults] == ["docs/odd"]
    assert not (tmp_path / "snapshot").exists()


def test_a_store_folder_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link-1.0.0").symlink_to(folder)
    with pytest.raises(NotFound):
        tree.snapshot(tmp_path / "link-1.0.0", tmp_path / "snapshot")
    with pytest.raises(NotFound):
        tree.digest(tmp_path / "link-1.0.0")
    assert not (tmp_path / "snapshot").exists()


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent is missing"):
        tree.snapshot(tmp_path / "absent", tmp_path / "snapshot")
    assert not (tmp_path / "snapshot").exists()


def test_a_tree_that_is_too_deep_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.joinpath(*["d"] * (tree.DEEPEST_FOLDER + 2)).mkdir(parents=True)
    with pytest.raises(ValidationFailed, match="lies in too many folders"):
        tree.snapshot(folder, tmp_path / "snapshot")


@pytest.mark.parametrize("moment", range(1, len(FILES) + 1))
def test_a_folder_that_is_replaced_while_it_is_read_gives_one_whole_version(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    house.install("math_plugin", "1.0.0", "first")
    real, links = os.link, 0

    def replaced_meanwhile(*arguments: object, **options: object) -> None:
        nonlocal links
        links += 1
        if links == moment:
            house.install("math_plugin", "1.0.0", "second")
        real(*arguments, **options)  # type: ignore[arg-type]  # handed through as it came

    monkeypatch.setattr(os, "link", replaced_meanwhile)
    house.store.snapshot(REF, tmp_path / "snapshot")
    assert folder_content(tmp_path / "snapshot") == "second"


def test_a_folder_that_is_replaced_before_it_is_listed_does_not_give_an_empty_snapshot(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor then is that of a folder which was emptied: there is nothing in it, and no error."""
    house.install("math_plugin", "1.0.0", "first")
    real = tree.walk
    replacements = iter(["second"])

    def replaced_meanwhile(folder: int, prefix: str = "", depth: int = 0) -> Iterator[tree.Entry]:
        for content in replacements:
            house.install("math_plugin", "1.0.0", content)
        return real(folder, prefix, depth)

    monkeypatch.setattr(tree, "walk", replaced_meanwhile)
    tree.snapshot(house.store.folder(REF), tmp_path / "snapshot")
    assert folder_content(tmp_path / "snapshot") == "second"


def test_the_digest_tells_every_edit(folder: Path) -> None:
    seen = {tree.digest(folder)}
    (folder / "plugin.py").write_text("changed")
    seen.add(tree.digest(folder))
    (folder / "plugin.py").rename(folder / "plugin2.py")
    seen.add(tree.digest(folder))
    (folder / "empty").mkdir()
    seen.add(tree.digest(folder))
    (folder / "empty").rmdir()
    (folder / "empty").touch()
    seen.add(tree.digest(folder))
    assert len(seen) == 5


def test_equal_trees_have_equal_digests(folder: Path, tmp_path: Path) -> None:
    tree.snapshot(folder, tmp_path / "snapshot")
    assert tree.digest(tmp_path / "snapshot") == tree.digest(folder)
