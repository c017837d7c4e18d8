"""A process can be killed before each change to the disk: a version is whole or absent then, and nothing is left."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cadence.model import PluginRef
from cadence.storage import rename
from cadence.storage.owners import Owner
from tests.storage.death import killed_before_change
from tests.storage.house import House

REF = PluginRef("math_plugin", "1.0.0")


def prepared(root: Path, prepare: Callable[[House], object]) -> Path:
    house = House(root / "prepared")
    prepare(house)
    house.close()
    return house.root


def survivors(root: Path, prepare: Callable[[House], object], act: Callable[[House], object]) -> Iterator[House]:
    """The instance as each possible death of ``act`` leaves it, one after the other, and last as its end leaves it.

    Each is a house of its own, not yet recovered.
    """
    template = prepared(root, prepare)
    change, died = 0, True
    while died:
        change += 1
        place = Path(shutil.copytree(template, root / "house"))

        def live(place: Path = place) -> None:
            with Owner.acquire(place) as owner:
                house = House(place, owner.id)
                act(house)
                house.close()

        died = killed_before_change(change, live)
        house = House(place)
        yield house
        house.close()
        shutil.rmtree(place)
    assert change > 5, "the changes were not counted"


def nothing(_: House) -> None:
    """An empty instance."""


def first(house: House) -> None:
    house.install(*_named(REF))


def second(house: House) -> None:
    house.install(*_named(REF), content="second")


def test_a_first_install_that_is_killed_anywhere_is_whole_or_absent(tmp_path: Path) -> None:
    seen = set()
    for house in survivors(tmp_path, nothing, first):
        house.recover()
        house.check()
        installed = house.index.version(REF)
        assert house.content(*_named(REF)) == ("first" if installed else None)
        assert bool(installed) == (REF.name in house.index.active())
        seen.add(bool(installed))
    assert seen == {True, False}


def test_an_overwrite_that_is_killed_anywhere_leaves_the_old_or_the_new_whole(tmp_path: Path) -> None:
    seen = set()
    for house in survivors(tmp_path, first, second):
        # Also before recovery: what is listed as installed has a whole folder.
        assert house.content(*_named(REF)) in ("first", "second")
        house.recover()
        house.check()
        assert house.index.active()[REF.name].ref == REF
        seen.add(house.content(*_named(REF)))
    assert seen == {"first", "second"}


def test_without_an_exchanging_rename_an_overwrite_that_is_killed_is_mended_by_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rename, "exchange", lambda *_: False)
    seen = set()
    for house in survivors(tmp_path, first, second):
        seen_before = house.content(*_named(REF))
        house.recover()
        house.check()
        assert house.index.active()[REF.name].ref == REF
        seen |= {seen_before, house.content(*_named(REF))}
    assert seen == {None, "first", "second"}, "the moment between the two renames was not met"


def test_a_removal_that_is_killed_anywhere_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    def two_versions(house: House) -> None:
        house.install("math_plugin", "0.9.0", "older")
        house.install("math_plugin", "1.0.0")

    seen = set()
    for house in survivors(tmp_path, two_versions, lambda house: house.remove(*_named(REF))):
        report = house.recover()
        house.check()
        installed = house.index.version(REF) is not None
        assert house.index.active()["math_plugin"].ref.version == ("1.0.0" if installed else "0.9.0")
        assert house.content("math_plugin", "0.9.0") == "older"
        assert report.unknown_folders == ()
        seen.add(installed)
    assert seen == {True, False}


@pytest.mark.parametrize("change", range(1, 9))
def test_a_recovery_that_is_killed_anywhere_is_done_by_the_next(tmp_path: Path, change: int) -> None:
    """A killed overwrite, and after it a recovery that is killed as well."""

    def half_overwritten(house: House) -> None:
        house.install(*_named(REF))
        staging = house.begin(REF, "second")
        assert killed_before_change(change, lambda: house.publish(REF, staging))

    for house in survivors(tmp_path, half_overwritten, lambda house: house.recover()):
        house.recover()
        house.check()
        assert house.content(*_named(REF)) in ("first", "second")


def test_the_next_change_of_a_plugin_finishes_what_a_killed_process_began(tmp_path: Path) -> None:
    """While other servers run on, nobody recovers: the next install or removal does, for its plugin."""
    for house in survivors(tmp_path, first, second):
        assert house.remove(*_named(REF)) is None
        assert house.index.versions() == []
        assert house.store.folders() == house.store.archives() == set()
        assert house.index.pending_changes() == []


def _named(ref: PluginRef) -> tuple[str, str]:
    return ref.name, ref.version
