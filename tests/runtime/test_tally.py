"""The tally of a plugin's calls: outcomes, the histogram, the last hour, and that no call is lost between threads."""

import threading

import pytest

from cadence.errors import (
    CallFailed,
    CallTimedOut,
    InvalidArguments,
    LimitReached,
    NotFound,
    PluginUnavailable,
    RequestTooLarge,
    SandboxIncomplete,
    ToolRaised,
    WorkerEnded,
)
from cadence.runtime.tally import BUCKET_SECONDS, NO_CALLS, RECENT_MINUTES, CallTally, Outcome


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Clock:
    return Clock(5000.0)


@pytest.fixture
def today() -> Clock:
    return Clock(1_700_000_000.0)


@pytest.fixture
def tally(now: Clock, today: Clock) -> CallTally:
    return CallTally(now=now, today=today)


def test_a_plugin_that_was_never_called_has_counted_nothing(tally: CallTally) -> None:
    assert tally.view() == NO_CALLS
    assert NO_CALLS.last_called_at is None
    assert len(NO_CALLS.recent) == len(NO_CALLS.recent_errors) == RECENT_MINUTES


def test_every_call_is_counted_once_by_outcome_and_once_by_how_long_it_took(tally: CallTally) -> None:
    for index, outcome in enumerate(Outcome):
        for _ in range(index + 1):
            tally.record(0.001 * index, outcome)
    view = tally.view()
    assert view.outcomes == {outcome: index + 1 for index, outcome in enumerate(Outcome)}
    assert view.calls == sum(view.outcomes.values()) == sum(view.buckets)


def test_what_the_caller_got_wrong_is_no_error_of_the_plugin(tally: CallTally) -> None:
    for outcome in Outcome:
        tally.record(0.001, outcome)
    view = tally.view()
    assert view.errors == len(Outcome) - 2
    assert (view.recent[-1], view.recent_errors[-1]) == (len(Outcome), view.errors)


@pytest.mark.parametrize("index", range(len(BUCKET_SECONDS)))
def test_a_call_that_took_just_a_bound_is_in_its_cell_and_a_longer_one_in_the_next(
    tally: CallTally, index: int
) -> None:
    tally.record(BUCKET_SECONDS[index], Outcome.OK)
    tally.record(BUCKET_SECONDS[index] * 1.01, Outcome.OK)
    buckets = tally.view().buckets
    assert (buckets[index], buckets[index + 1]) == (1, 1)


def test_the_bounds_rise_from_a_tenth_of_a_millisecond_to_half_a_minute() -> None:
    assert list(BUCKET_SECONDS) == sorted(set(BUCKET_SECONDS))
    assert (BUCKET_SECONDS[0], BUCKET_SECONDS[-1]) == (0.0001, 30.0)


def test_the_time_of_all_calls_is_summed(tally: CallTally) -> None:
    for seconds in (0.25, 0.5, 40.0):
        tally.record(seconds, Outcome.OK)
    assert tally.view().sum_seconds == 40.75


def test_the_last_call_is_told_in_utc_and_stays_what_it_was(tally: CallTally, now: Clock, today: Clock) -> None:
    tally.record(0.001, Outcome.OK)
    now.seconds, today.seconds = now.seconds + 2.5, today.seconds + 2.5
    first = tally.view().last_called_at
    assert first == "2023-11-14T22:13:20.000+00:00"
    today.seconds += 100  # somebody sets the clock
    assert tally.view().last_called_at == first
    now.seconds += 30
    tally.record(0.001, Outcome.OK)
    assert tally.view().last_called_at == "2023-11-14T22:15:02.500+00:00"


def test_calls_of_the_last_hour_are_told_apart_by_minute(tally: CallTally, now: Clock) -> None:
    tally.record(0.001, Outcome.OK)
    now.seconds += 60
    tally.record(0.001, Outcome.ERROR)
    tally.record(0.001, Outcome.OK)
    now.seconds += 180
    tally.record(0.001, Outcome.OK)
    view = tally.view()
    assert view.recent[-6:] == (0, 1, 2, 0, 0, 1)
    assert view.recent_errors[-6:] == (0, 0, 1, 0, 0, 0)
    assert len(view.recent) == len(view.recent_errors) == RECENT_MINUTES


def test_looking_moves_the_minutes_on_too(tally: CallTally, now: Clock) -> None:
    tally.record(0.001, Outcome.OK)
    now.seconds += 120
    assert tally.view().recent[-4:] == (0, 1, 0, 0)
    assert tally.view().recent[-4:] == (0, 1, 0, 0)


@pytest.mark.parametrize(("minutes", "left"), [(59, 1), (60, 0), (61, 0), (100_000, 0)])
def test_calls_are_recent_for_an_hour_and_counted_for_ever(
    tally: CallTally, now: Clock, minutes: int, left: int
) -> None:
    tally.record(0.001, Outcome.LIMIT)
    now.seconds += 60 * minutes
    view = tally.view()
    assert (sum(view.recent), sum(view.recent_errors)) == (left, left)
    assert len(view.recent) == RECENT_MINUTES
    assert (view.calls, view.errors) == (1, 1)


def test_no_call_is_lost_between_threads() -> None:
    tally = CallTally()
    begin = threading.Barrier(4)

    def call() -> None:
        begin.wait()
        for _ in range(5000):
            tally.record(0.002, Outcome.OK)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view = tally.view()
    assert view.calls == view.outcomes[Outcome.OK] == 20_000
    assert sum(view.recent) == 20_000


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (ToolRaised("boom"), Outcome.ERROR),
        (CallFailed("something else"), Outcome.ERROR),
        (RuntimeError("ours"), Outcome.ERROR),
        (InvalidArguments("a is missing"), Outcome.INVALID),
        (NotFound("no such tool"), Outcome.INVALID),
        (RequestTooLarge("17 MiB"), Outcome.INVALID),
        (CallTimedOut("30 s"), Outcome.TIMEOUT),
        (WorkerEnded("exit code 3"), Outcome.WORKER_ENDED),
        (LimitReached("memory"), Outcome.LIMIT),
        (PluginUnavailable("it is not running"), Outcome.UNAVAILABLE),
        (SandboxIncomplete("no layer"), Outcome.UNAVAILABLE),
    ],
)
def test_every_way_a_call_can_fail_has_its_outcome(failure: Exception, outcome: Outcome) -> None:
    assert Outcome.of(failure) is outcome
