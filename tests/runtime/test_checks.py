"""When plugins are checked, and that what hangs or fails in a check keeps no other from being made."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cadence.runtime.checks import JITTER, Checks, Timetable
from tests.runtime.house import eventually


def test_the_first_checks_are_spread_over_an_interval() -> None:
    chances = iter((0.1, 0.5, 0.9, *[1.0] * 10))
    timetable = Timetable(60.0, lambda: next(chances))
    names = ["a", "b", "c"]
    assert timetable.due(names, 0.0) == []
    assert timetable.due(names, 6.0) == ["a"]
    assert timetable.due(names, 53.0) == ["b"]
    assert timetable.due(names, 54.0) == ["c"]


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 1 - JITTER), (0.5, 1.0), (1.0, 1 + JITTER)])
def test_the_next_check_comes_an_interval_later_give_or_take(chance: float, factor: float) -> None:
    timetable = Timetable(60.0, lambda: chance)
    timetable.due(["a"], 0.0)
    assert timetable.due(["a"], 60.0) == ["a"]
    assert timetable.due(["a"], 60.0 + 60.0 * factor - 0.01) == []
    assert timetable.due(["a"], 60.0 + 60.0 * factor + 0.01) == ["a"]


def test_who_was_away_is_new_again() -> None:
    timetable = Timetable(60.0, lambda: 1.0)
    timetable.due(["a"], 0.0)
    timetable.due([], 30.0)
    assert timetable.due(["a"], 61.0) == []
    assert timetable.due(["a"], 121.0) == ["a"]


@contextmanager
def started(checks: Checks) -> Iterator[None]:
    checks.start()
    try:
        yield
    finally:
        checks.stop()


def test_a_check_that_hangs_keeps_no_other_waiting_and_is_not_made_twice() -> None:
    release, made = threading.Event(), []

    def check(name: str) -> None:
        made.append(name)
        if name == "hangs":
            release.wait(30)

    with started(Checks(lambda: ["hangs", "fine"], check, 0.02)):
        eventually(lambda: made.count("fine") > 5 and "hangs" in made)
        assert made.count("hangs") == 1
        release.set()


def test_a_check_that_fails_on_the_server_is_logged_and_made_again(caplog: pytest.LogCaptureFixture) -> None:
    made = []

    def check(name: str) -> None:
        made.append(name)
        raise OSError("no room")

    with started(Checks(lambda: ["a"], check, 0.02)):
        eventually(lambda: len(made) > 2)
    assert "the health check of a failed on an error of the server" in caplog.text
