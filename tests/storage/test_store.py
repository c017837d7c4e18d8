"""The store: staging, publishing, removing, and what names may be."""

import errno
import os
from pathlib import Path

import pytest

from cadence.errors import InvalidFilename, StorageFull
from cadence.model import PluginRef
from cadence.storage import rename, tree
from cadence.storage.store import Store
from tests.storage.house import House

REF = PluginRef("math_plugin", "1.0.0")


@pytest.fixture(params=["exchange", "two renames"])
def any_rename(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the kernel's exchange, and where it is lacking."""
    if request.param == "two renames":
        monkeypatch.setattr(rename, "exchange", lambda *_: False)


def test_the_directories_are_named_as_the_specification_says(house: House, store: Store) -> None:
    house.install("math_plugin", "1.0.0")
    assert store.folder(REF) == store.plugin_dir / "math_plugin-1.0.0"
    assert store.archive(REF) == store.archive_dir / "math_plugin-1.0.0.zip"
    assert (store.folder(REF) / "plugin.py").is_file()
    assert store.archive(REF).is_file()


@pytest.mark.usefixtures("any_rename")
def test_publishing_swaps_the_new_in_and_the_old_out(house: House, store: Store) -> None:
    house.install("math_plugin", "1.0.0", "first")
    staging = house.begin(REF, "second")
    store.publish(staging, REF)
    assert house.content("math_plugin", "1.0.0") == "second"
    assert (staging.tree / "plugin.py").read_text() == "plugin.py: first\n"
    assert not list(staging.plugin_root.glob("*.aside"))
    store.withdraw(staging, REF)
    assert house.content("math_plugin", "1.0.0") == "first"
    assert (staging.tree / "plugin.py").read_text() == "plugin.py: second\n"


def test_withdrawing_a_first_publication_leaves_nothing_in_place(house: House, store: Store) -> None:
    staging = house.begin(REF, "first")
    store.publish(staging, REF)
    store.withdraw(staging, REF)
    assert store.folders() == store.archives() == set()
    assert staging.upload.is_file()
    assert staging.tree.is_dir()


@pytest.mark.usefixtures("any_rename")
@pytest.mark.parametrize("step", range(1, 20))
def test_a_disk_that_is_full_at_any_step_leaves_everything_as_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    house.install("math_plugin", "1.0.0", "first")
    staging = house.begin(REF, "second")
    left = step

    def full(function: str) -> None:
        real = getattr(os, function)

        def failing(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **options)

        monkeypatch.setattr(os, function, failing)

    full("fsync")
    full("rename")
    try:
        house.publish(REF, staging)
    except StorageFull:
        expected = "first"
    else:
        expected = "second"
        assert left > 0
    monkeypatch.undo()
    assert house.content("math_plugin", "1.0.0") == expected
    house.check()


def test_what_cannot_be_shown_in_the_index_is_taken_back_from_the_store(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.install("math_plugin", "1.0.0", "first")
    staging = house.begin(REF, "second")

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(house.index, "mark_published", full)
    with pytest.raises(StorageFull):
        house.publish(REF, staging)
    monkeypatch.undo()
    assert house.content("math_plugin", "1.0.0") == "first"
    house.check()


def test_everything_is_written_through_before_the_commit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = house.begin(REF, "first")
    synced: list[str] = []
    real = os.fsync

    def watch(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    def commit(*_: object) -> None:
        expected = [staging.upload, staging.archive_root, staging.tree, *staging.tree.rglob("*")]
        assert {str(path) for path in expected} <= set(synced)
        raise StorageFull

    monkeypatch.setattr(os, "fsync", watch)
    monkeypatch.setattr(house.index, "commit_version", commit)
    with pytest.raises(StorageFull):
        house.publish(REF, staging)


def test_a_write_through_that_fails_in_the_background_fails_the_publication(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells of a lost write only once, so the failure must not be forgotten with the thread."""
    staging = house.begin(REF, "first")
    failures = iter([OSError(errno.EIO, "Input/output error")])

    def fail_once(_: int) -> None:
        for failure in failures:
            raise failure

    monkeypatch.setattr(os, "fsync", fail_once)
    staging.begin_sync()
    with pytest.raises(OSError, match="Input/output error"):
        house.publish(REF, staging)
    assert house.index.pending_changes() == []


def test_removing_deletes_folder_and_archive_and_nothing_else(house: House, store: Store) -> None:
    house.install("math_plugin", "1.0.0")
    house.install("math_plugin", "2.0.0")
    store.remove(REF)
    assert store.folders() == store.archives() == {"math_plugin-2.0.0"}
    assert store.stagings() == set()
    store.remove(REF)


def test_a_removed_version_stays_removed_when_its_files_cannot_be_deleted_yet(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.install("math_plugin", "1.0.0")

    def broken(_: PluginRef) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(house.store, "remove", broken)
    assert house.remove("math_plugin", "1.0.0") is None
    monkeypatch.undo()
    assert house.index.versions() == []
    assert house.recover().removed == (REF,)
    house.check()


def test_folders_and_archives_list_neither_staging_nor_links_nor_other_files(store: Store, tmp_path: Path) -> None:
    assert store.folders() == store.archives() == store.stagings() == set()
    store.stage("i1")
    (store.plugin_dir / "real-1.0").mkdir()
    (store.plugin_dir / "notes.txt").touch()
    (store.plugin_dir / "link-1.0").symlink_to(tmp_path)
    (store.archive_dir / "real-1.0.zip").touch()
    (store.archive_dir / "notes.txt").touch()
    (store.archive_dir / "folder-1.0.zip").mkdir()
    assert (store.folders(), store.archives(), store.stagings()) == ({"real-1.0"}, {"real-1.0"}, {"i1"})


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", ".staging", "", "a\\b", "a\0b", "a\nb", "x" * 300, "é" * 130])
def test_a_name_that_is_not_one_plain_component_is_refused(house: House, store: Store, name: str) -> None:
    staging = house.begin(REF, "first")
    ref = PluginRef(name, "1.0")
    for act in (store.folder, store.archive, store.remove, store.digest, lambda ref: store.publish(staging, ref)):
        with pytest.raises(InvalidFilename):
            act(PluginRef("a", "/../../b") if not name else ref)
    with pytest.raises(InvalidFilename):
        store.stage(name)
    assert tree.digest(staging.tree)
