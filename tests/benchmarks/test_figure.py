import pytest

from benchmarks.figure import Figure, Goal, compared
from benchmarks.runner import Outcome, Report
from benchmarks.sampling import Samples
from benchmarks.table import goal_words, number, render


def test_a_ratio_goal_is_held_against_ours_over_theirs() -> None:
    figure = Figure("call", "µs", ours=40, theirs=200, goal=Goal(0.2, of="ratio"))
    assert figure.ratio == pytest.approx(0.2)
    assert figure.holds is True
    assert Figure("call", "µs", ours=41, theirs=200, goal=Goal(0.2, of="ratio")).holds is False


def test_a_value_goal_is_held_against_ours_whatever_theirs_is() -> None:
    assert Figure("cold", "ms", ours=15, theirs=1, goal=Goal(15)).holds is True
    assert Figure("cold", "ms", ours=15.1, theirs=1000, goal=Goal(15)).holds is False


def test_a_rate_has_to_be_at_least_its_goal() -> None:
    goal = Goal(3000, sense="at least")
    assert Figure("calls", "/s", ours=3000, goal=goal).holds is True
    assert Figure("calls", "/s", ours=2999, goal=goal).holds is False


def test_without_a_goal_or_another_side_nothing_holds_or_fails() -> None:
    assert Figure("a", "ms", ours=1, theirs=2).holds is None
    assert Figure("a", "ms", ours=1, goal=Goal(1, of="ratio")).holds is None
    assert Figure("a", "ms", ours=1).ratio is None


def test_no_failed_call_holds_and_one_does_not() -> None:
    assert Figure("failed", "calls", ours=0, goal=Goal(0)).holds is True
    assert Figure("failed", "calls", ours=1, goal=Goal(0)).holds is False


def test_samples_become_medians_and_tails_where_asked() -> None:
    ours, theirs = Samples.of(range(1, 101)), Samples.of([10, 30])
    figure = compared("a", "ms", ours, theirs, tail=True)
    assert (figure.ours, figure.ours_p99, figure.theirs, figure.theirs_p99) == (50.5, 99, 20, None)
    assert compared("a", "ms", ours).ours_p99 is None


def test_the_json_of_a_figure_says_what_follows_from_it() -> None:
    said = Figure("call", "µs", ours=50, theirs=200, goal=Goal(0.2, of="ratio")).as_json()
    assert (said["ratio"], said["holds"]) == (0.25, False)
    assert said["goal"] == {"bound": 0.2, "of": "ratio", "sense": "at most"}


def test_the_table_says_what_was_missed_and_what_could_not_be_measured() -> None:
    figures = (
        Figure("call", "µs", ours=50, theirs=200, against="the other way", goal=Goal(0.2, of="ratio"), note="A note."),
        Figure("cold", "ms", ours=12, goal=Goal(15)),
    )
    outcomes = (Outcome("call", 1.0, figures), Outcome("http", 1.0, error="OSError: no port"))
    text = render(Report("2026-01-01T00:00:00+00:00", 2, 0.5, False, outcomes))

    lines = {line.split()[0]: line for line in text.splitlines() if line.startswith(("call ", "cold "))}
    assert "50.0 µs" in lines["call"]
    assert "0.25 x" in lines["call"]
    assert "≤ 0.2 x" in lines["call"]
    assert "MISSED" in lines["call"]
    assert "holds" in lines["cold"]
    assert "call: A note." in text
    assert "http could not be measured: OSError: no port" in text
    assert "1 of 2 goals hold." in text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(0.1234, "ms", "0.12 ms"), (12.34, "ms", "12.3 ms"), (3456.7, "/s", "3,457 /s"), (0, "calls", "0 calls")],
)
def test_numbers_are_shown_in_about_three_digits(value: float, unit: str, shown: str) -> None:
    assert number(value, unit) == shown


def test_what_was_not_measured_is_not_shown_as_a_number() -> None:
    assert number(None, "ms") == ""
    assert goal_words(None, "ms") == ""
    assert goal_words(Goal(3000, sense="at least"), "/s") == "≥ 3,000 /s"
