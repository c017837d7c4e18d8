"""Which version one goes back to: the history as a stack."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.history import Activation, ActivationCause
from cadence.storage.succession import predecessor, stack_of

ON = {"+": ActivationCause.INSTALL, "!": ActivationCause.ACTIVATE, "^": ActivationCause.RESTORE}
BACK = {"-": ActivationCause.ROLLBACK, "<": ActivationCause.AUTOMATIC_ROLLBACK, "x": ActivationCause.FALLBACK}

versions = st.sampled_from(["1", "2", "3", "4"])
causes = st.sampled_from(sorted(ActivationCause))


def history(text: str) -> list[Activation]:
    """``+1 +2 -1``: 1 and 2 were installed, and rolled back to 1; ``<.`` went automatically to none."""
    changes: list[Activation] = []
    for step in text.split():
        version = None if step[1:] == "." else step[1:]
        previous = changes[-1].version if changes else None
        changes.append(Activation(version, previous, (ON | BACK)[step[0]], "2026-01-01"))
    return changes


@pytest.mark.parametrize(
    ("changes", "stack"),
    [
        ("", []),
        ("+1", ["1"]),
        ("+1 +2 +3", ["1", "2", "3"]),
        ("+1 +2 -1", ["1"]),
        ("+1 +2 +3 -2 -1", ["1"]),
        ("+1 +2 +3 <1", ["1"]),
        ("+1 +2 -1 +3", ["1", "3"]),
        ("+1 +2 -1 !2", ["1", "2"]),
        ("+1 +2 !1 !2 -1", ["1", "2", "1"]),
        ("+2 x1", ["2", "1"]),
        ("+1 +2 x1 ^2", ["1", "2"]),
        ("+1 <.", ["1", None]),
        ("+1 <. !1", ["1", None, "1"]),
    ],
)
def test_going_back_takes_away_what_lies_above_and_going_on_puts_on_top(changes: str, stack: list[str | None]) -> None:
    assert stack_of(history(changes)) == stack


@pytest.mark.parametrize(
    ("changes", "good", "target"),
    [
        ("", "", None),
        ("+1", "1", None),
        ("+1 +2", "12", "1"),
        ("+1 +2", "2", None),
        ("+1 +2 +3", "13", "1"),
        ("+1 +2 !1 !2", "12", "1"),
        ("+1 +2 !1", "1", None),
        ("+1 +2 -1", "12", None),
        ("+1 +2 +3 -2", "123", "1"),
        ("+1 <.", "1", "1"),
    ],
)
def test_the_target_is_the_nearest_below_that_is_good_and_not_the_present_one(
    changes: str, good: str, target: str | None
) -> None:
    past = history(changes)
    present = past[-1].version if past else None
    assert predecessor(stack_of(past), present, set(good)) == target


def test_two_rollbacks_in_a_row_go_two_back_and_a_third_finds_nothing() -> None:
    past, good = history("+1 +2 +3"), {"1", "2", "3"}
    for expected in ("2", "1"):
        target = predecessor(stack_of(past), past[-1].version, good)
        assert target == expected
        past.append(Activation(target, past[-1].version, ActivationCause.ROLLBACK, "2026-01-01"))
    assert predecessor(stack_of(past), past[-1].version, good) is None


@st.composite
def pasts(draw: st.DrawFn) -> list[Activation]:
    changes: list[Activation] = []
    for version, cause in draw(st.lists(st.tuples(st.none() | versions, causes), max_size=30)):
        previous = changes[-1].version if changes else None
        changes.append(Activation(version, previous, cause, "2026-01-01"))
    return changes


@given(pasts())
def test_the_present_version_is_always_on_top(past: list[Activation]) -> None:
    stack = stack_of(past)
    assert len(stack) <= len(past)
    assert [change.version for change in past[-1:]] == stack[-1:]


@given(pasts(), st.sets(versions))
def test_rolling_back_always_comes_to_an_end_at_good_versions_that_were_active(
    past: list[Activation], good: set[str]
) -> None:
    were_active = {change.version for change in past}
    for _ in range(len(past) + 1):
        present = past[-1].version if past else None
        target = predecessor(stack_of(past), present, good)
        if target is None:
            return
        assert target in good & were_active
        assert target != present
        past = [*past, Activation(target, present, ActivationCause.ROLLBACK, "2026-01-01")]
    raise AssertionError("rolling back goes round in circles")


@given(pasts(), versions)
def test_a_rollback_undoes_an_activation(past: list[Activation], version: str) -> None:
    present = past[-1].version if past else None
    if present in (None, version):
        return
    after = [*past, Activation(version, present, ActivationCause.ACTIVATE, "2026-01-01")]
    assert predecessor(stack_of(after), version, {"1", "2", "3", "4"}) == present
    back = [*after, Activation(present, version, ActivationCause.ROLLBACK, "2026-01-01")]
    assert stack_of(back) == stack_of(past)
