"""Recovery, case by case. (Real deaths, at every step, are in ``test_crashes``.)"""

import shutil
from pathlib import Path

import pytest

from cadence.errors import InvalidArchive
from cadence.model import InstallState, PluginRef
from cadence.storage.index import Index
from cadence.storage.locks import plugin_lock
from cadence.storage.owners import Owner
from cadence.storage.publication import adopt_version
from cadence.storage.recovery import RecoveryReport, recover
from cadence.storage.store import Store
from cadence.storage.tree import file_digest
from tests.storage.house import House, record_of, unpack

REF = PluginRef("math_plugin", "1.0.0")


def test_where_nothing_happened_there_is_nothing_to_tell(house: House) -> None:
    house.install("math_plugin", "1.0.0")
    assert house.recover() == RecoveryReport()
    assert house.recover().clean


def test_a_missing_folder_is_unpacked_again_from_the_archive(house: House) -> None:
    house.install("math_plugin", "1.0.0")
    shutil.rmtree(house.store.folder(REF))
    assert house.recover().rebuilt == (REF,)
    house.check()
    assert house.content("math_plugin", "1.0.0") == "first"


def test_a_folder_is_not_made_from_an_archive_that_was_changed(house: House) -> None:
    house.install("math_plugin", "1.0.0")
    house.install("math_plugin", "2.0.0", "second")
    newer = PluginRef("math_plugin", "2.0.0")
    shutil.rmtree(house.store.folder(newer))
    shutil.copy(house.store.archive(REF), house.store.archive(newer))
    report = house.recover()
    assert (report.lost, report.unknown_archives, report.rebuilt) == ((newer,), ("math_plugin-2.0.0",), ())
    assert "Version 1.0.0 is active in its place" in report.warnings[0]
    assert house.index.active()["math_plugin"].ref == REF


def test_a_version_whose_files_are_all_gone_is_taken_out(house: House) -> None:
    house.install("math_plugin", "1.0.0")
    generation = house.index.generation()
    house.store.remove(REF)
    report = house.recover()
    assert report.lost == (REF,)
    assert "it is no longer installed" in report.warnings[0]
    assert house.index.generation() > generation
    house.check()


def test_a_missing_archive_is_a_warning_only(house: House) -> None:
    house.install("math_plugin", "1.0.0")
    house.store.archive(REF).unlink()
    report = house.recover()
    assert len(report.warnings) == 1
    assert house.index.version(REF)
    assert house.content("math_plugin", "1.0.0") == "first"


def test_an_archive_that_is_refused_now_keeps_nobody_from_the_others(house: House, index: Index, store: Store) -> None:
    house.install("math_plugin", "1.0.0")
    house.install("other", "1.0.0")
    shutil.rmtree(store.folder(REF))
    shutil.rmtree(store.folder(PluginRef("other", "1.0.0")))

    def rebuild(archive: Path, ref: PluginRef, destination: Path) -> None:
        unpack(archive, ref, destination)
        if ref == REF:
            (destination / "plugin.py").unlink()
            raise InvalidArchive("It has too many entries.")

    report = recover(index, store, rebuild)
    assert report.rebuilt == (PluginRef("other", "1.0.0"),)
    assert "It has too many entries" in report.warnings[0]
    assert store.folders() == {"other-1.0.0"}, "a folder that is not whole was put in place"
    assert house.recover().rebuilt == (REF,)
    house.check()


def test_folders_and_archives_that_nobody_knows_are_left_alone_and_listed(house: House, store: Store) -> None:
    house.install("math_plugin", "1.0.0")
    (store.plugin_dir / "by_hand-1.0").mkdir()
    (store.archive_dir / "old-1.0.zip").write_bytes(b"old")
    report = house.recover()
    assert (report.unknown_folders, report.unknown_archives) == (("by_hand-1.0",), ("old-1.0",))
    assert (store.plugin_dir / "by_hand-1.0").is_dir()
    assert (store.archive_dir / "old-1.0.zip").is_file()
    assert set(house.index.active()) == {"math_plugin"}


def test_an_adopted_folder_needs_no_archive(house: House, store: Store) -> None:
    ref = PluginRef("by_hand", "1.0")
    store.folder(ref).mkdir(parents=True)
    adopt_version(house.index, house.store, record_of(ref, source="directory"))
    assert house.recover().clean
    store.folder(ref).rmdir()
    assert house.recover().lost == (ref,)
    assert house.index.versions() == []


@pytest.mark.parametrize("there", [True, False])
def test_an_adoption_that_was_cut_off_is_finished_if_the_folder_is_there(house: House, there: bool) -> None:
    ref = PluginRef("by_hand", "1.0")
    if there:
        house.store.folder(ref).mkdir(parents=True)
    house.index.commit_version(record_of(ref, source="directory"))
    report = house.recover()
    assert (report.completed, report.lost) == (((ref,), ()) if there else ((), (ref,)))
    assert bool(house.index.active()) == there
    assert house.index.pending_changes() == []


def test_a_commit_whose_archive_is_lost_is_given_up_and_the_old_version_stays(house: House) -> None:
    house.install("math_plugin", "1.0.0", "first")
    house.index.commit_version(record_of(REF, "install-lost"))
    report = house.recover()
    assert report.lost == (REF,)
    assert "Upload it again" in report.warnings[0]
    house.check()
    assert house.content("math_plugin", "1.0.0") == "first"


def test_a_commit_is_completed_from_the_archive_even_if_the_staged_folder_is_damaged(house: House) -> None:
    """As after a power cut: what was not written through is not to be trusted."""
    staging = house.begin(REF, "second")
    house.index.commit_version(record_of(REF, staging.install_id, sha256=file_digest(staging.upload)))
    (staging.tree / "plugin.py").write_bytes(b"")
    assert house.recover().completed == (REF,)
    house.check()
    assert house.content("math_plugin", "1.0.0") == "second"


def test_an_install_whose_owner_died_is_interrupted_and_one_whose_owner_lives_goes_on(tmp_path: Path) -> None:
    with Owner.acquire(tmp_path) as owner:
        living, dead = House(tmp_path, owner.id), House(tmp_path, "dead")
        one, other = living.begin(REF, "living"), dead.begin(PluginRef("other", "1.0"), "dead")
        assert living.recover().interrupted == (other.install_id,)
        assert living.store.stagings() == {one.install_id}
        record = living.index.install(other.install_id)
        assert record is not None
        assert record.state is InstallState.INTERRUPTED
        assert record.outcome is not None
        assert "Nothing was changed" in record.outcome["details"]
        living.publish(REF, one)
        living.check()
        living.close()
        dead.close()


def test_an_interrupted_install_that_had_been_committed_says_so(house: House) -> None:
    staging = house.begin(REF, "first")
    house.index.commit_version(record_of(REF, staging.install_id, sha256=file_digest(staging.upload)))
    assert house.recover().interrupted == (staging.install_id,)
    record = house.index.install(staging.install_id)
    assert record is not None
    assert record.outcome is not None
    assert "The plugin is installed" in record.outcome["details"]


def test_staging_that_no_install_owns_is_swept(house: House, store: Store) -> None:
    (store.stage("unheard-of").upload).write_bytes(b"x")
    house.recover()
    assert store.stagings() == set()


def test_a_plugin_at_which_somebody_alive_is_at_work_is_left_in_peace(house: House) -> None:
    staging = house.begin(REF, "first")
    house.index.commit_version(record_of(REF, staging.install_id, sha256=file_digest(staging.upload)))
    with plugin_lock(house.root, REF.name):
        report = house.recover()
        assert (report.completed, report.unknown_folders) == ((), ())
        assert staging.upload.is_file()
        house.store.publish(staging, REF)
        house.index.mark_published(REF, staging.install_id)
    house.recover()
    house.check()


def test_servers_that_died_are_forgotten(house: House) -> None:
    with Owner.acquire(house.root) as owner:
        house.index.register_server(owner.id, 1)
        house.index.register_server("dead", 2)
        house.recover()
        assert [server.id for server in house.index.servers()] == [owner.id]
