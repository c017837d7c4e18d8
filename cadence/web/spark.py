"""The little chart in a list: calls and errors of the last hour as bars, drawn as two paths."""

from collections.abc import Sequence

from msgspec import Struct

WIDTH, HEIGHT = 119, 24
"""The size of the chart, in user units of its picture."""

#: So many minutes are in a bar.
_MINUTES = 2
#: A bar and the gap behind it.
_STEP, _BAR = 4, 3
#: What is not nothing can be seen.
_LOWEST = 2.0


class Spark(Struct, frozen=True):
    """A chart as data of paths (SVG 2, section 9.3), with what it shows in numbers."""

    calls: int
    errors: int
    calls_path: str
    errors_path: str


def spark(calls: Sequence[int], errors: Sequence[int]) -> Spark | None:
    """The chart of calls and errors by minute, the latest minute last; None where there was no call.

    Bars are as high as their number in comparison with the highest. The errors of a bar are its lower part.
    """
    if not any(calls):
        return None
    called, failed = _summed(calls), _summed(errors)
    most = max(called)
    return Spark(sum(calls), sum(errors), _bars(called, most), _bars(failed, most))


def _summed(values: Sequence[int]) -> list[int]:
    return [sum(values[start : start + _MINUTES]) for start in range(0, len(values), _MINUTES)]


def _bars(values: Sequence[int], most: int) -> str:
    heights = ((place, max(_LOWEST, HEIGHT * value / most)) for place, value in enumerate(values) if value)
    return "".join(f"M{place * _STEP} {HEIGHT}v-{height:.4g}h{_BAR}V{HEIGHT}z" for place, height in heights)
