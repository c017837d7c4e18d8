"""Deleting and bringing back: what goes, what stays aside, what comes again, and who answers meanwhile."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cadence.errors import InvalidArchive, NotFound, PluginExists, StorageFull
from cadence.model import Granted, Grants, PluginRef
from cadence.removal import Restored
from cadence.storage.locks import plugin_lock
from cadence.storage.store import Store
from tests.removal.bin import Bin, content
from tests.removal.conftest import ONE, TWO

SECRETS = Grants(env={"KEY": "s3cret"})


@pytest.fixture
def two(kept: Bin) -> Bin:
    """2.0.0 is active over 1.0.0."""
    kept.house.install(ONE.name, ONE.version, "one")
    kept.house.install(TWO.name, TWO.version, "two")
    return kept


def test_the_active_version_is_deleted_and_the_one_in_its_place_is_started(two: Bin) -> None:
    assert two.remover.delete(TWO) == "1.0.0"
    assert two.notes.told == ["start math_plugin-1.0.0"]
    assert (two.active, two.tidied) == ({"math_plugin": "1.0.0"}, 1)
    assert content(two.house, TWO) is None
    two.check()


def test_another_version_is_deleted_and_nothing_is_started(two: Bin) -> None:
    assert two.remover.delete(ONE) is None
    assert two.notes.told == []
    assert two.active == {"math_plugin": "2.0.0"}


def test_the_last_version_is_deleted_and_nothing_answers(two: Bin) -> None:
    two.remover.delete(ONE)
    assert two.remover.delete(TWO) is None
    assert two.notes.told == ["remove math_plugin"]
    assert two.index.plugin_state("math_plugin") is None


def test_of_a_disabled_plugin_nothing_is_started(two: Bin) -> None:
    two.index.disable("math_plugin")
    assert two.remover.delete(TWO) == "1.0.0"
    assert not two.remover.restore(TWO).activated
    assert two.notes.told == ["remove math_plugin"]


def test_what_is_not_installed_cannot_be_deleted_and_leaves_no_lock(kept: Bin) -> None:
    with pytest.raises(NotFound, match=r"math_plugin 1\.0\.0 is not installed"):
        kept.remover.delete(ONE)
    assert not (kept.house.root / "locks" / "math_plugin.lock").exists()


def test_a_deleted_version_comes_back_as_it_was_and_answers_again(two: Bin) -> None:
    before = two.index.version(TWO)
    two.remover.delete(TWO)
    assert [one.ref for one in two.remover.deleted()] == [TWO]
    assert two.remover.restore(TWO) == Restored(TWO, activated=True)
    assert two.notes.told[-1] == "start math_plugin-2.0.0"
    after = two.index.version(TWO)
    assert before is not None
    assert after is not None
    assert (after.install_id, after.sha256, after.report) == (before.install_id, before.sha256, before.report)
    assert content(two.house, TWO) == "two"
    assert two.remover.deleted() == []
    assert two.tidied == 2
    two.check()


def test_a_deleted_version_that_did_not_answer_comes_back_without_answering(two: Bin) -> None:
    two.remover.delete(ONE)
    assert two.remover.restore(ONE) == Restored(ONE, activated=False)
    assert (two.notes.told, two.active) == ([], {"math_plugin": "2.0.0"})


def test_it_can_be_deleted_and_brought_back_again_and_again(two: Bin) -> None:
    for _ in range(3):
        two.remover.delete(TWO)
        two.check()
        two.remover.restore(TWO)
        two.check()
    assert content(two.house, TWO) == "two"


def test_a_plugin_comes_back_whole_with_its_grants(two: Bin) -> None:
    two.index.put_grants("math_plugin", SECRETS)
    for ref in (ONE, TWO):
        two.remover.delete(ref)
    assert two.index.granted("math_plugin") == Granted()
    for ref in (ONE, TWO):
        two.remover.restore(ref)
    assert two.index.granted("math_plugin").grants == SECRETS
    assert two.active == {"math_plugin": "2.0.0"}
    two.check()


def test_it_does_not_take_over_from_a_version_that_was_pinned_meanwhile(two: Bin) -> None:
    two.remover.delete(TWO)
    two.index.pin("math_plugin")
    assert not two.remover.restore(TWO).activated
    assert two.active == {"math_plugin": "1.0.0"}


def test_it_does_not_answer_under_a_metadata_name_that_another_plugin_took(kept: Bin) -> None:
    kept.house.install("first", "1.0", metadata_name="shared")
    kept.remover.delete(PluginRef("first", "1.0"))
    kept.house.install("second", "1.0", metadata_name="shared")
    assert not kept.remover.restore(PluginRef("first", "1.0")).activated
    assert kept.active == {"second": "1.0"}
    kept.check()


def test_a_version_that_was_uploaded_again_cannot_be_brought_back(two: Bin) -> None:
    two.remover.delete(TWO)
    two.house.install(TWO.name, TWO.version, "again")
    two.check()
    assert two.remover.deleted() == []
    with pytest.raises(PluginExists, match=r"math_plugin 2\.0\.0 is installed"):
        two.remover.restore(TWO)
    assert content(two.house, TWO) == "again"


def test_a_folder_that_was_put_in_its_place_is_not_touched(two: Bin) -> None:
    two.remover.delete(TWO)
    (two.store.folder(TWO) / "mine").mkdir(parents=True)
    with pytest.raises(PluginExists, match=r"There is a folder math_plugin-2\.0\.0"):
        two.remover.restore(TWO)
    assert (two.store.folder(TWO) / "mine").is_dir()
    shutil.rmtree(two.store.folder(TWO))
    two.remover.restore(TWO)


def test_what_was_never_deleted_cannot_be_brought_back_and_leaves_no_lock(kept: Bin) -> None:
    with pytest.raises(NotFound, match="was not deleted, or too long ago"):
        kept.remover.restore(ONE)
    assert not (kept.house.root / "locks" / "math_plugin.lock").exists()


def test_a_folder_without_an_archive_comes_back_as_it_was(kept: Bin) -> None:
    kept.house.put_by_hand(ONE, "by hand")
    stray = kept.store.archive(ONE)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"somebody else's")
    kept.remover.delete(ONE)
    assert content(kept.house, ONE) is None
    kept.remover.restore(ONE)
    assert content(kept.house, ONE) == "by hand"
    assert stray.read_bytes() == b"somebody else's"
    stray.unlink()
    kept.check()


def test_a_version_whose_archive_was_lost_comes_back_from_its_folder(two: Bin) -> None:
    two.store.archive(TWO).unlink()
    two.remover.delete(TWO)
    two.remover.restore(TWO)
    assert content(two.house, TWO) == "two"


@pytest.mark.parametrize("change", ["swapped", "gone"])
def test_an_archive_that_is_not_the_one_that_was_deleted_is_not_installed(two: Bin, change: str) -> None:
    record = two.index.version(TWO)
    assert record is not None
    two.remover.delete(TWO)
    upload = two.store.deleted(record.install_id).upload
    upload.unlink()
    if change == "swapped":
        shutil.copy(two.store.archive(ONE), upload)
    with pytest.raises(NotFound, match="Upload it again"):
        two.remover.restore(TWO)
    assert two.active == {"math_plugin": "1.0.0"}
    assert two.index.pending_changes() == []


def test_an_archive_that_is_refused_now_leaves_everything_as_it_was(two: Bin, monkeypatch: pytest.MonkeyPatch) -> None:
    two.remover.delete(TWO)

    def refuse(archive: Path, ref: PluginRef, destination: Path) -> None:
        destination.mkdir()
        raise InvalidArchive("It has too many entries.")

    with monkeypatch.context() as patch:
        patch.setattr(two.remover, "_rebuild", refuse)
        with pytest.raises(InvalidArchive):
            two.remover.restore(TWO)
    two.check()
    assert two.remover.restore(TWO).activated


def test_a_full_disk_leaves_it_deleted_and_whole(two: Bin, monkeypatch: pytest.MonkeyPatch) -> None:
    two.remover.delete(TWO)

    def full(self: Store, *_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Store, "sync_names", full)
        with pytest.raises(StorageFull):
            two.remover.restore(TWO)
    assert two.index.pending_changes() == []
    assert [one.ref for one in two.remover.deleted()] == [TWO]
    assert two.remover.restore(TWO).activated
    two.check()


def test_files_that_cannot_be_moved_yet_follow_before_it_is_brought_back(
    two: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(self: Store, *_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with monkeypatch.context() as patch:
        patch.setattr(Store, "set_aside", busy)
        two.remover.delete(TWO)
    assert two.active == {"math_plugin": "1.0.0"}
    two.remover.restore(TWO)
    assert content(two.house, TWO) == "two"
    two.check()


# --- the end of the retention ------------------------------------------------------------------------------------


def test_without_a_retention_a_version_is_gone_at_once(make_bin: Callable[[int], Bin]) -> None:
    at_once = make_bin(0)
    at_once.house.install(ONE.name, ONE.version)
    at_once.remover.delete(ONE)
    at_once.check()
    assert at_once.remover.deleted() == []
    with pytest.raises(NotFound):
        at_once.remover.restore(ONE)


def test_what_was_kept_long_enough_is_purged_and_nothing_else(two: Bin) -> None:
    two.index.put_grants("math_plugin", SECRETS)
    two.remover.delete(ONE)
    two.remover.delete(TWO)
    assert two.remover.purge() == []
    two.let_time_pass(6.9)
    assert two.remover.purge() == []
    two.let_time_pass(0.2)
    with pytest.raises(NotFound, match="too long ago"):
        two.remover.restore(TWO)
    assert sorted(ref.version for ref in two.remover.purge()) == ["1.0.0", "2.0.0"]
    assert two.store.deleted_ids() == set()
    assert two.index.database.rows("SELECT * FROM deleted") == []
    two.check()


def test_a_purge_leaves_a_plugin_that_is_changed_at_this_moment_for_the_next_time(two: Bin) -> None:
    two.remover.delete(TWO)
    two.let_time_pass(8)
    with plugin_lock(two.house.root, "math_plugin"):
        assert two.remover.purge() == []
    assert two.remover.purge() == [TWO]


def test_a_shorter_retention_holds_for_what_was_deleted_before_too(two: Bin, make_bin: Callable[[int], Bin]) -> None:
    two.remover.delete(TWO)
    two.let_time_pass(2)
    assert make_bin(3).remover.purge() == []
    assert make_bin(1).remover.purge() == [TWO]
