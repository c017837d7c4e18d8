"""Restarts come later each time in a row, up to a bound, and a steady run starts the row anew."""

from hypothesis import given
from hypothesis import strategies as st

from cadence.runtime.backoff import DELAYS_SECONDS, STEADY_SECONDS, delay_seconds, next_failures


def test_the_first_restart_is_at_once() -> None:
    assert delay_seconds(next_failures(0, ran_seconds=0.1)) == 0.0


@given(st.integers(1, 1000))
def test_no_restart_waits_less_than_the_one_before_it(failures: int) -> None:
    assert delay_seconds(failures) <= delay_seconds(next_failures(failures, ran_seconds=0.0))


@given(st.integers(1, 10**9))
def test_no_restart_waits_longer_than_the_last_delay(failures: int) -> None:
    assert delay_seconds(failures) <= DELAYS_SECONDS[-1]


@given(st.integers(0, 10**9), st.floats(STEADY_SECONDS, 1e9))
def test_a_worker_that_ran_steadily_is_restarted_at_once(failures: int, ran_seconds: float) -> None:
    assert next_failures(failures, ran_seconds) == 1


@given(st.integers(0, 10**9), st.floats(0, STEADY_SECONDS, exclude_max=True))
def test_a_worker_that_ended_soon_adds_to_the_row(failures: int, ran_seconds: float) -> None:
    assert next_failures(failures, ran_seconds) == failures + 1
