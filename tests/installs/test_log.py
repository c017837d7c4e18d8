"""The log of an install: how much of it is kept."""

import pytest

from cadence.errors import Cancelled
from cadence.model import Stage
from cadence.progress import MAX_LINE_CHARACTERS, MAX_LINES, Cancellation, Progress


def test_a_log_that_is_too_long_ends_with_words_that_say_so() -> None:
    progress = Progress(0.0)
    for number in range(MAX_LINES + 10):
        progress.say(f"line {number}")
    assert len(progress.lines) == MAX_LINES
    assert progress.lines[-2][1] == f"line {MAX_LINES - 2}"
    assert "What came after them was not kept" in progress.lines[-1][1]


@pytest.mark.parametrize(("length", "kept"), [(MAX_LINE_CHARACTERS, False), (MAX_LINE_CHARACTERS + 1, True)])
def test_a_line_that_is_too_long_is_cut(length: int, kept: bool) -> None:
    progress = Progress(0.0)
    progress.say("x" * length)
    ((stage, text),) = progress.lines
    assert stage == "receive"
    assert len(text) == MAX_LINE_CHARACTERS
    assert text.endswith("…") is kept


def test_what_was_counted_stays_with_its_stage() -> None:
    progress = Progress(0.0)
    with progress.stage(Stage.DEPENDENCIES):
        progress.count(3, 12)
    with progress.stage(Stage.TRIAL):
        pass
    assert [(one.done, one.total) for one in progress.stages] == [(0, 0), (3, 12), (0, 0)]


def test_from_the_commit_on_it_is_too_late_to_cancel() -> None:
    cancelled = Cancellation()
    cancelled.rule_out()
    assert cancelled.set() is False
    assert not cancelled.is_set()


def test_what_was_cancelled_is_not_committed() -> None:
    cancelled = Cancellation()
    assert cancelled.set() is True
    with pytest.raises(Cancelled):
        cancelled.rule_out()
    assert cancelled.set() is True


def test_a_stage_that_goes_on_after_a_wait_is_one_and_keeps_its_counts() -> None:
    progress = Progress(0.0)
    with progress.stage(Stage.DEPENDENCIES):
        progress.count(3, 12)
    (before,) = [one.ms for one in progress.stages if one.stage is Stage.DEPENDENCIES]
    with progress.stage(Stage.DEPENDENCIES):
        assert [one.ms for one in progress.stages if one.stage is Stage.DEPENDENCIES] == [None]
    (after,) = [one for one in progress.stages if one.stage is Stage.DEPENDENCIES]
    assert before is not None
    assert after.ms is not None
    assert after.ms >= before
    assert (after.done, after.total) == (3, 12)
