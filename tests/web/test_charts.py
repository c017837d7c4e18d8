"""Charts as geometry: everything is inside the picture, in order, and says what it was made from."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cadence.history import CheckKind, CheckRecord
from cadence.web.charts import call_chart, latency_chart

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def check(ms: float, *, minutes: float = 0, healthy: bool = True) -> CheckRecord:
    at = (NOW + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")
    return CheckRecord("1.0.0", at, CheckKind.SCHEDULED, healthy, ms)


def test_without_checks_and_without_calls_there_is_no_chart() -> None:
    assert latency_chart([]) is None
    assert call_chart((0,) * 60, (0,) * 60) is None
    assert call_chart((), ()) is None


def test_checks_stand_by_time_from_left_to_right_in_whatever_order_they_come() -> None:
    chart = latency_chart([check(5, minutes=30), check(5, minutes=0), check(5, minutes=120)])
    assert chart is not None
    first, second, last = (mark.x for mark in chart.marks)
    assert (second - first) / (last - first) == pytest.approx(0.25, abs=0.001)


def test_what_took_ten_times_as_long_stands_a_level_higher() -> None:
    chart = latency_chart([check(ms, minutes=ms) for ms in (1, 10, 100, 1000)])
    assert chart is not None
    assert [level.label for level in chart.levels] == ["1 ms", "10 ms", "100 ms", "1 s"]
    assert [mark.y for mark in chart.marks] == [level.y for level in chart.levels]
    assert chart.marks[0].y > chart.marks[-1].y


def test_a_failed_check_is_marked_and_interrupts_the_line() -> None:
    chart = latency_chart([check(5, minutes=minute, healthy=minute != 2) for minute in range(5)])
    assert chart is not None
    assert [mark.failed for mark in chart.marks] == [False, False, True, False, False]
    assert (chart.passed, chart.failed) == (4, 1)
    ends = [(segment.x1, segment.x2) for segment in chart.segments]
    x = [mark.x for mark in chart.marks]
    assert ends == [(x[0], x[1]), (x[3], x[4])]


def test_the_axis_names_the_first_moment_the_middle_and_the_last() -> None:
    chart = latency_chart([check(5, minutes=0), check(5, minutes=60)])
    assert chart is not None
    assert [moment[11:16] for moment in chart.moments] == ["12:00", "12:30", "13:00"]


def test_a_single_check_stands_in_the_middle() -> None:
    chart = latency_chart([check(5)])
    assert chart is not None
    assert (chart.marks[0].x, len(chart.moments), chart.segments) == (50.0, 1, ())


@given(
    some.lists(
        some.tuples(some.floats(), some.integers(-10_000_000, 10_000_000), some.booleans()), min_size=1, max_size=40
    )
)
def test_whatever_a_plugin_tells_of_its_checks_everything_is_inside_the_picture(
    told: list[tuple[float, int, bool]],
) -> None:
    chart = latency_chart([check(ms, minutes=minutes, healthy=healthy) for ms, minutes, healthy in told])
    assert chart is not None
    places = [place for mark in chart.marks for place in (mark.x, mark.y)] + [level.y for level in chart.levels]
    assert all(math.isfinite(place) and 0 <= place <= 100 for place in places)
    assert len(chart.levels) <= 8
    assert chart.passed + chart.failed == len(told)
    assert math.isfinite(chart.fastest_ms)
    assert math.isfinite(chart.slowest_ms)


def test_bars_are_as_high_as_their_share_of_the_busiest_minute() -> None:
    chart = call_chart((0, 50, 100), (0, 0, 25))
    assert chart is not None
    assert [(bar.height, bar.failed_height) for bar in chart.bars] == [(50.0, 0.0), (100.0, 25.0)]
    assert [bar.minutes_ago for bar in chart.bars] == [1, 0]
    assert (chart.calls, chart.errors, chart.most, chart.minutes) == (150, 25, 100, 3)


def test_a_single_error_among_many_calls_can_be_seen() -> None:
    chart = call_chart((100_000, 1), (1, 0))
    assert chart is not None
    assert chart.bars[0].failed_height >= 3
    assert chart.bars[1].height >= 3


@given(some.lists(some.integers(0, 10**9), min_size=1, max_size=60))
def test_bars_stand_beside_each_other_inside_the_picture(calls: list[int]) -> None:
    chart = call_chart(calls, [value // 3 for value in calls])
    if chart is None:
        assert not any(calls)
        return
    ends = [(bar.x, bar.x + bar.width) for bar in chart.bars]
    assert all(0 <= begin < end <= 100 for begin, end in ends)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ends))
    assert all(0 <= bar.failed_height <= 100 and 0 < bar.height <= 100 for bar in chart.bars)


def test_calls_and_errors_of_other_minutes_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="shorter"):
        call_chart((1, 2), (0,))
