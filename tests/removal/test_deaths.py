"""A process can be killed before each change to the disk: a version is installed, or can be brought back, whole."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cadence.errors import PluginExists
from cadence.model import PluginRef
from cadence.storage.owners import Owner
from tests.removal.bin import Bin, content
from tests.removal.conftest import ONE, TWO
from tests.storage.death import killed_before_change

Act = Callable[[Bin], object]


def prepared(root: Path, prepare: Act) -> Path:
    made = Bin(root / "prepared")
    prepare(made)
    made.house.close()
    return made.house.root


def survivors(root: Path, prepare: Act, act: Act) -> Iterator[Bin]:
    """The instance as each possible death of ``act`` leaves it, not yet recovered, and last as its end leaves it."""
    template = prepared(root, prepare)
    change, died = 0, True
    while died:
        change += 1
        place = Path(shutil.copytree(template, root / "house"))

        def live(place: Path = place) -> None:
            with Owner.acquire(place) as owner:
                living = Bin(place, owner=owner.id)
                act(living)
                living.house.close()

        died = killed_before_change(change, live)
        left = Bin(place)
        yield left
        left.house.close()
        shutil.rmtree(place)
    assert change > 5, "the changes were not counted"


def uploaded(made: Bin) -> None:
    made.house.install(ONE.name, ONE.version, "one")
    made.house.install(TWO.name, TWO.version, "two")


def by_hand(made: Bin) -> None:
    made.house.put_by_hand(ONE, "one")
    made.house.put_by_hand(TWO, "two")


def without_archive(made: Bin) -> None:
    uploaded(made)
    made.store.archive(TWO).unlink()


def deleted(prepare: Act) -> Act:
    def both(made: Bin) -> None:
        prepare(made)
        made.remover.delete(TWO)

    return both


def installed_or_deleted(left: Bin) -> bool:
    """Whether it is installed; that it is whole there or can be brought back whole, and that 1.0.0 is as it was."""
    installed = left.index.version(TWO) is not None
    assert [one.ref for one in left.remover.deleted()] == ([] if installed else [TWO])
    assert left.active == {ONE.name: TWO.version if installed else ONE.version}
    assert content(left.house, ONE) == "one"
    if not installed:
        assert content(left.house, TWO) is None
        left.remover.restore(TWO)
        assert left.active == {ONE.name: TWO.version}
    assert content(left.house, TWO) == "two"
    return installed


@pytest.mark.parametrize("prepare", [uploaded, by_hand, without_archive])
def test_a_deletion_that_is_killed_anywhere_leaves_it_installed_or_restorable(tmp_path: Path, prepare: Act) -> None:
    seen = set()
    for left in survivors(tmp_path, prepare, lambda made: made.remover.delete(TWO)):
        report = left.house.recover()
        assert report.lost == ()
        assert report.unknown_folders == ()
        if prepare is not without_archive:
            left.check()
        seen.add(installed_or_deleted(left))
    assert seen == {True, False}


@pytest.mark.parametrize("prepare", [uploaded, by_hand, without_archive])
def test_a_restoration_that_is_killed_anywhere_leaves_it_installed_or_restorable(tmp_path: Path, prepare: Act) -> None:
    seen = set()
    for left in survivors(tmp_path, deleted(prepare), lambda made: made.remover.restore(TWO)):
        report = left.house.recover()
        assert report.lost == ()
        if prepare is not without_archive:
            left.check()
        seen.add(installed_or_deleted(left))
    assert seen == {True, False}


@pytest.mark.parametrize("act", ["delete", "restore"])
def test_the_next_change_of_a_plugin_finishes_what_a_killed_process_began(tmp_path: Path, act: str) -> None:
    """While other servers run on, nobody recovers."""
    prepare = uploaded if act == "delete" else deleted(uploaded)
    for left in survivors(tmp_path, prepare, lambda made: getattr(made.remover, act)(TWO)):
        if left.index.version(TWO) is not None:
            left.remover.delete(TWO)
        with contextlib.suppress(PluginExists):  # a restoration that was committed is finished, not begun again
            left.remover.restore(TWO)
        assert content(left.house, TWO) == "two"
        left.house.recover()
        left.check()


def test_an_upload_over_a_deleted_version_that_is_killed_anywhere_leaves_the_one_or_the_other(tmp_path: Path) -> None:
    seen = set()
    for left in survivors(tmp_path, deleted(uploaded), lambda made: made.house.install(TWO.name, TWO.version, "again")):
        left.house.recover()
        left.check()
        if left.index.version(TWO) is None:
            left.remover.restore(TWO)
        seen.add(content(left.house, TWO))
    assert seen == {"two", "again"}


def test_a_purge_that_is_killed_anywhere_leaves_it_whole_or_gone(tmp_path: Path) -> None:
    def expired(made: Bin) -> None:
        deleted(uploaded)(made)
        made.let_time_pass(8)

    seen = set()
    for left in survivors(tmp_path, expired, lambda made: made.remover.purge()):
        left.house.recover()
        left.check()
        seen.add(left.index.deleted(TWO) is None)
    assert seen == {True, False}


@pytest.mark.parametrize("change", [3, 9, 12])
def test_a_recovery_that_is_killed_anywhere_is_done_by_the_next(tmp_path: Path, change: int) -> None:
    """A killed restoration, and after it a recovery that is killed as well."""

    def half_restored(made: Bin) -> None:
        deleted(uploaded)(made)
        killed_before_change(change, lambda: made.remover.restore(TWO))

    for left in survivors(tmp_path, half_restored, lambda made: made.house.recover()):
        left.house.recover()
        left.check()
        installed_or_deleted(left)


def test_what_was_kept_and_is_lost_is_forgotten_with_a_warning(kept: Bin) -> None:
    deleted(uploaded)(kept)
    shutil.rmtree(kept.store.archive_dir / ".deleted")
    report = kept.house.recover()
    (warning,) = report.warnings
    assert "math_plugin-2.0.0 was deleted, and cannot be brought back" in warning
    assert kept.remover.deleted() == []
    kept.check()


def test_files_aside_that_nobody_knows_are_swept(kept: Bin) -> None:
    stray = kept.store.deleted("unheard-of")
    stray.archive_root.mkdir(parents=True)
    stray.upload.write_bytes(b"x")
    kept.house.install(ONE.name, ONE.version)
    record = kept.index.version(PluginRef(ONE.name, ONE.version))
    assert record is not None
    kept.store.deleted(record.install_id).tree.mkdir(parents=True)
    kept.house.recover()
    kept.check()
