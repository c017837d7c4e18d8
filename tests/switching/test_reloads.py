"""Reloads across servers: each loads what was asked for anew, once, and nothing else."""

from collections.abc import Collection
from typing import Any, cast

import pytest

from cadence.reconciler import Reconciler
from cadence.runtime.live_set import LiveSet, Reloaded
from cadence.storage.index import Index
from tests.storage.test_versions import put

EVERYTHING = {"first", "second", "third"}


class LoadedAnew:
    """The live set of a server, as far as it is asked: it keeps what it was to load anew."""

    def __init__(self) -> None:
        self.rounds: list[set[str]] = []

    def reconcile(
        self, desired: dict[str, Any], generation: int, *, reload: bool = False, others: Collection[str] = ()
    ) -> list[Reloaded]:
        if reload:
            self.rounds.append(set(desired))
        return []

    def expect(self, *_: object) -> None:
        """It starts."""

    def is_outdated(self, *_: object) -> bool:
        return False

    def renounce(self, _: object) -> None:
        """Nothing was taken back."""


class Server:
    """One server process that shares the index. It looks when it is told to: its thread has ended."""

    def __init__(self, index: Index, name: str) -> None:
        self.loads = LoadedAnew()
        index.register_server(name, 1)
        self.reconciler = Reconciler(index, cast(LiveSet, self.loads), name)
        self.reconciler.start()
        self.reconciler.stop()
        self.reconciler.catch_up()

    def loaded(self) -> list[set[str]]:
        """What it loads anew once it looks, round by round, since it was last asked."""
        self.reconciler.catch_up()
        rounds, self.loads.rounds = self.loads.rounds, []
        return rounds


@pytest.fixture
def one(index: Index) -> Server:
    for name in sorted(EVERYTHING):
        put(index, name, "1.0")
    return Server(index, "one")


@pytest.fixture
def other(index: Index, one: Server) -> Server:
    return Server(index, "other")


def test_what_is_chosen_in_one_server_is_loaded_anew_in_each_and_nothing_else(one: Server, other: Server) -> None:
    one.reconciler.reload(["first", "third"])
    assert (one.loaded(), other.loaded()) == ([{"first", "third"}], [{"first", "third"}])
    assert (one.loaded(), other.loaded()) == ([], [])


def test_a_reload_of_everything_is_one_in_each(one: Server, other: Server) -> None:
    other.reconciler.reload()
    assert (one.loaded(), other.loaded()) == ([EVERYTHING], [EVERYTHING])


def test_several_requests_that_were_not_seen_yet_are_one_round(one: Server, other: Server) -> None:
    one.reconciler.reload(["first"])
    one.reconciler.reload(["second"])
    assert other.loaded() == [{"first", "second"}]
    one.reconciler.reload(["first"])
    one.reconciler.reload()
    assert other.loaded() == [EVERYTHING]


def test_what_another_asked_for_is_not_lost_when_one_is_asked_itself(one: Server, other: Server) -> None:
    """The other server asked a moment ago, and this one has not looked since."""
    other.reconciler.reload()
    one.reconciler.reload(["first"])
    assert one.loaded() == [EVERYTHING]
    other.reconciler.reload(["second"])
    one.reconciler.reload(["first"])
    assert one.loaded() == [{"first", "second"}]


def test_a_request_of_what_is_not_installed_loads_nothing(one: Server, other: Server) -> None:
    one.reconciler.reload(["nowhere"])
    assert (one.loaded(), other.loaded()) == ([set()], [set()])


def test_a_server_that_starts_later_repeats_no_reload(index: Index, one: Server) -> None:
    one.reconciler.reload(["first"])
    late = Server(index, "late")
    one.reconciler.reload(["second"])
    assert late.loaded() == [{"second"}]
