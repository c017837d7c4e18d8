"""A report as plain text: a table, the notes below it, and what could not be measured."""

from collections.abc import Sequence

from benchmarks.figure import Figure, Goal
from benchmarks.runner import Report

_HEADINGS = ("figure", "ours", "p99", "theirs", "p99", "ratio", "goal", "now", "theirs is")
_RIGHT = frozenset({1, 2, 3, 4, 5})
_GAP = "  "


def render(report: Report) -> str:
    """The report, ready to be printed."""
    rows = [_row(figure) for figure in report.figures]
    parts = [
        f"Cadence, {report.measured_at}: {report.cores} cores, load {report.load:.1f} before the run. "
        "Medians; ratio is ours / theirs." + (" Quick: the numbers mean little." if report.quick else ""),
        _aligned([_HEADINGS, *rows]) if rows else "",
        "\n".join(f"{figure.name}: {figure.note}" for figure in report.figures if figure.note),
        "\n".join(f"{name} could not be measured: {error}" for name, error in report.errors.items()),
        _summary(report.figures),
    ]
    return "\n\n".join(part for part in parts if part)


def number(value: float | None, unit: str = "") -> str:
    """A value with its unit, in about three digits."""
    if value is None:
        return ""
    if unit == "calls":  # counted, not measured
        return f"{value:,.0f} {unit}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def goal_words(goal: Goal | None, unit: str) -> str:
    """A goal as the table has it: ``≤ 15 ms``, ``≤ 0.2 x``."""
    if goal is None:
        return ""
    sign = "≤" if goal.sense == "at most" else "≥"
    return f"{sign} {goal.bound:,g} {'x' if goal.of == 'ratio' else unit}"


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        number(figure.ours, figure.unit),
        number(figure.ours_p99),
        number(figure.theirs, figure.unit),
        number(figure.theirs_p99),
        number(figure.ratio, "x"),
        goal_words(figure.goal, figure.unit),
        {None: "", True: "holds", False: "MISSED"}[figure.holds],
        figure.against,
    )


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [_GAP.join(_padded(cell, i, widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows]
    rule = _GAP.join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def _padded(cell: str, column: int, width: int) -> str:
    return cell.rjust(width) if column in _RIGHT else cell.ljust(width)


def _summary(figures: Sequence[Figure]) -> str:
    held = [figure.holds for figure in figures if figure.holds is not None]
    return f"{sum(held)} of {len(held)} goals hold." if held else ""
