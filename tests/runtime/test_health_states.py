"""How a version stands, step by step; time comes with the events."""

import math

from hypothesis import given
from hypothesis import strategies as st

from cadence.runtime import backoff
from cadence.runtime.health import (
    Checked,
    Condition,
    Ended,
    HealthEvent,
    HealthState,
    NotStarted,
    Policy,
    Renew,
    Restart,
    Stay,
    TakeBack,
    Verdict,
    delay_of,
    started,
    step,
)

POLICY = Policy(ends=3, check_failures=3)
NEW = Condition(new_until=100.0)
PROVEN = Condition()
CRASH = "Its worker was ended by signal 11 (SIGSEGV)."


def through(condition: Condition, *events: HealthEvent) -> tuple[Condition, list[Verdict]]:
    verdicts = []
    for event in events:
        condition, verdict = step(condition, event, POLICY)
        verdicts.append(verdict)
    return condition, verdicts


def crash(at: float, ran_seconds: float = 1.0) -> Ended:
    return Ended(at, "crashes", CRASH, ran_seconds)


def unhealthy(at: float) -> Checked:
    return Checked(at, healthy=False, words="no answer from the unit")


def test_a_new_version_is_taken_back_at_the_last_of_its_ends() -> None:
    _, verdicts = through(NEW, crash(1), crash(2), crash(3))
    assert verdicts[:2] == [Restart(0.0), Restart(0.5)]
    assert isinstance(verdicts[2], TakeBack)
    assert verdicts[2].reason.code == "crashes"
    assert verdicts[2].reason.words == f"3 times something went wrong while it was new; the last time: {CRASH}"


def test_long_steady_runs_in_between_do_not_forgive_the_ends_of_a_new_version() -> None:
    _, verdicts = through(NEW, *(crash(at, ran_seconds=20 * backoff.STEADY_SECONDS) for at in (10, 40, 70)))
    assert verdicts[:2] == [Restart(0.0), Restart(0.0)]
    assert isinstance(verdicts[2], TakeBack)


def test_a_version_that_has_proved_itself_is_started_again_for_ever_and_later_each_time() -> None:
    _, verdicts = through(NEW, *(crash(200 + at) for at in range(20)))
    assert [one.delay_seconds for one in verdicts if isinstance(one, Restart)] == [
        *backoff.DELAYS_SECONDS,
        *[backoff.DELAYS_SECONDS[-1]] * 12,
    ]


def test_an_end_after_the_probation_does_not_add_to_those_in_it() -> None:
    _, verdicts = through(NEW, crash(1), crash(2), crash(101), crash(102))
    assert all(isinstance(one, Restart) for one in verdicts)


def test_deadlines_limits_and_failed_starts_count_as_ends() -> None:
    events = Ended(1, "timeouts", "late"), NotStarted(2, "broken"), Ended(3, "limits", "memory limit reached")
    _, verdicts = through(NEW, *events)
    assert isinstance(verdicts[2], TakeBack)
    assert verdicts[2].reason.code == "limits"


def test_what_the_host_did_counts_against_no_version() -> None:
    events: list[HealthEvent] = [Ended(1, "crashes", "gone with the zygote", by_host=True)]
    events.append(NotStarted(2, "no process left", by_host=True))
    condition, verdicts = through(NEW, *(events * 10))
    assert condition.ends == 0
    assert all(isinstance(one, Restart) for one in verdicts)


def test_a_proven_version_that_does_not_start_is_left_alone() -> None:
    condition, verdicts = through(PROVEN, NotStarted(1, "its folder is gone"))
    assert verdicts == [Stay()]
    assert (condition.state, condition.words) == (HealthState.FAILED, "its folder is gone")


def test_one_failed_check_degrades_and_a_good_one_heals() -> None:
    condition, _ = through(NEW, unhealthy(1))
    assert (condition.state, condition.words) == (HealthState.DEGRADED, "no answer from the unit")
    condition, verdicts = through(condition, Checked(2, healthy=True))
    assert (condition.state, condition.words, condition.failed_checks) == (HealthState.HEALTHY, "", 0)
    assert verdicts == [Stay()]


def test_a_new_version_is_taken_back_when_checks_in_a_row_fail() -> None:
    _, verdicts = through(NEW, unhealthy(1), unhealthy(2), unhealthy(3))
    assert isinstance(verdicts[2], TakeBack)
    assert verdicts[2].reason.code == "health"
    assert "no answer from the unit" in verdicts[2].reason.words


def test_checks_that_fail_now_and_then_take_nothing_back() -> None:
    events = [event for at in range(20) for event in (unhealthy(at), unhealthy(at), Checked(at, healthy=True))]
    _, verdicts = through(NEW, *events)
    assert set(map(type, verdicts)) == {Stay}


def test_a_proven_version_that_fails_its_checks_gets_one_fresh_worker_and_stays() -> None:
    condition, verdicts = through(PROVEN, *(unhealthy(at) for at in range(10)))
    assert [type(one) for one in verdicts] == [Stay, Stay, Renew, *[Stay] * 7]
    assert condition.state is HealthState.FAILED


def test_a_service_outside_that_fails_degrades_and_is_never_held_against_a_version() -> None:
    outage = [Checked(at, healthy=False, words="no way to db:5432", by_service=True) for at in range(50)]
    condition, verdicts = through(NEW, *outage)
    assert condition.state is HealthState.DEGRADED
    assert set(map(type, verdicts)) == {Stay}


def test_a_restart_does_not_hide_that_checks_fail() -> None:
    condition, _ = through(PROVEN, unhealthy(1), crash(2))
    assert started(condition).state is HealthState.FAILED
    condition, _ = through(PROVEN, crash(2))
    assert started(condition) == Condition(failures=1)


def test_the_delay_is_never_shorter_than_that_of_the_first_failure() -> None:
    assert delay_of(Condition()) == backoff.delay_seconds(1)


moments = st.floats(0, 300)
ends = st.builds(Ended, moments, st.sampled_from(["crashes", "timeouts", "limits"]), st.just("x"), st.floats(0, 200))
checks = st.builds(Checked, moments, st.booleans(), st.just("y"), by_service=st.booleans())
starts = st.builds(NotStarted, moments, st.just("z"), by_host=st.booleans())
stories = st.lists(ends | checks | starts, max_size=40).map(lambda story: sorted(story, key=lambda event: event.at))


@given(stories)
def test_nothing_is_taken_back_that_is_not_new(story: list[HealthEvent]) -> None:
    _, verdicts = through(Condition(new_until=150.0), *story)
    for event, verdict in zip(story, verdicts, strict=True):
        assert not isinstance(verdict, TakeBack) or event.at < 150.0


@given(stories)
def test_a_new_version_is_never_given_more_chances_than_the_policy_has(story: list[HealthEvent]) -> None:
    """Up to the moment when it is taken back, which ends its story."""
    condition, chances = Condition(new_until=math.inf), 0
    for event in story:
        condition, verdict = step(condition, event, POLICY)
        chances += isinstance(event, Ended) or (isinstance(event, NotStarted) and not event.by_host)
        if isinstance(verdict, TakeBack):
            return
        assert chances < POLICY.ends
        assert condition.failed_checks < POLICY.check_failures


@given(stories)
def test_whoever_has_no_worker_is_always_told_when_there_will_be_one_or_that_there_will_not(
    story: list[HealthEvent],
) -> None:
    _, verdicts = through(Condition(new_until=150.0), *story)
    for event, verdict in zip(story, verdicts, strict=True):
        if isinstance(event, Ended):
            assert isinstance(verdict, Restart | TakeBack)
