"""Locks and resolutions in the index."""

import sqlite3

import pytest

from cadence.storage import resolutions
from cadence.storage.index import Index
from tests.storage.house import House


def locks(house: House) -> set[str]:
    with sqlite3.connect(house.root / "index.db") as connection:
        rows = connection.execute("SELECT environment FROM locks").fetchall()
    connection.close()
    return {environment for (environment,) in rows}


def test_what_was_never_resolved_is_not_known(index: Index) -> None:
    assert index.find_resolution("inputs") is None
    assert index.lock_of("environment") is None


def test_a_resolution_is_found_by_its_inputs_and_its_lock_by_its_environment(index: Index, house: House) -> None:
    index.keep_resolution("one", "environment", "alpha==1.0\n")
    index.keep_resolution("two", "environment", "alpha==1.0\n")
    index.keep_resolution("three", "other", "beta==1.0\n")
    again = House(house.root)
    assert again.index.find_resolution("one") == again.index.find_resolution("two") == "alpha==1.0\n"
    assert again.index.find_resolution("three") == again.index.lock_of("other") == "beta==1.0\n"
    again.close()


def test_a_later_resolution_of_the_same_inputs_takes_the_place_of_the_earlier(index: Index) -> None:
    index.keep_resolution("inputs", "old", "alpha==1.0\n")
    index.keep_resolution("inputs", "new", "alpha==2.0\n")
    assert index.find_resolution("inputs") == "alpha==2.0\n"
    assert index.lock_of("old") == "alpha==1.0\n"  # a version may need it


def test_only_locks_that_nobody_would_ask_for_are_forgotten(index: Index, house: House) -> None:
    for inputs, environment in (("one", "replaced"), ("one", "latest"), ("two", "needed"), ("two", "other")):
        index.keep_resolution(inputs, environment, environment)
    index.forget_locks({"needed", "unheard of"})
    assert locks(house) == {"latest", "needed", "other"}
    index.forget_locks(set())
    assert locks(house) == {"latest", "other"}
    assert index.find_resolution("one") == "latest"
    index.forget_locks(set())
    assert locks(house) == {"latest", "other"}


def test_the_oldest_resolutions_make_room(index: Index, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolutions, "MAX_RESOLUTIONS", 3)
    for number in range(3):
        index.keep_resolution(f"inputs {number}", f"environment {number}", "lock")
    index.keep_resolution("inputs 0", "environment 0", "lock")  # used again
    index.keep_resolution("inputs 3", "environment 3", "lock")
    known = [number for number in range(4) if index.find_resolution(f"inputs {number}") is not None]
    assert known == [0, 2, 3]
    index.forget_locks(set())
    assert locks(house) == {f"environment {number}" for number in known}


def test_the_one_just_kept_never_makes_room_when_the_clock_stands_still(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolutions, "MAX_RESOLUTIONS", 2)
    monkeypatch.setattr(resolutions, "utc_now", lambda: "2025-01-01T00:00:00.000000+00:00")
    for number in range(5):
        index.keep_resolution(f"inputs {number}", f"environment {number}", "lock")
        assert index.find_resolution(f"inputs {number}") == "lock"


def test_an_environment_that_is_about_to_be_published_is_needed(house: House) -> None:
    from cadence.model import PluginRef
    from tests.storage.house import record_of

    ref = PluginRef("math", "1.0.0")
    house.index.commit_version(record_of(ref, environment="pending"))
    assert house.index.environments() == {"pending"}
    house.index.mark_published(ref, "i1")
    assert house.index.environments() == {"pending"}
