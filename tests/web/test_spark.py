"""The little chart of calls."""

from hypothesis import given
from hypothesis import strategies as st

from cadence.web.spark import HEIGHT, WIDTH, spark


def test_without_calls_there_is_no_chart() -> None:
    assert spark((0,) * 60, (0,) * 60) is None
    assert spark((), ()) is None


def test_calls_and_errors_are_bars_of_two_minutes_the_latest_at_the_right() -> None:
    chart = spark((0,) * 58 + (3, 1), (0,) * 58 + (2, 0))
    assert chart is not None
    assert (chart.calls, chart.errors) == (4, 2)
    assert chart.calls_path == f"M116 {HEIGHT}v-{HEIGHT}h3V{HEIGHT}z"
    assert chart.errors_path == f"M116 {HEIGHT}v-{HEIGHT // 2}h3V{HEIGHT}z"


@given(st.lists(st.integers(0, 10**9), min_size=60, max_size=60))
def test_no_bar_leaves_the_chart(calls: list[int]) -> None:
    chart = spark(calls, [value // 2 for value in calls])
    if chart is None:
        return
    for bar in chart.calls_path.split("M")[1:]:
        left, rest = bar.split(" ")
        height = float(rest.split("v-")[1].split("h")[0])
        assert 0 <= int(left) <= WIDTH - 3
        assert 0 < height <= HEIGHT
