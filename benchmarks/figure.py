"""One row of the table: what was measured, what it is compared with, and whether the goal holds."""

from typing import Any, Literal

from msgspec import Struct

from benchmarks.sampling import Samples


class Goal(Struct, frozen=True):
    """What a figure should be: its own value, or its ratio to the other side, at most or at least so much."""

    bound: float
    of: Literal["value", "ratio"] = "value"
    sense: Literal["at most", "at least"] = "at most"

    def is_met_by(self, value: float) -> bool:
        """Whether a value, or a ratio where the goal is one, is within the bound."""
        return value <= self.bound if self.sense == "at most" else value >= self.bound


class Figure(Struct, frozen=True):
    """A measured value, ``ours``, beside that of the other side, ``theirs``; both medians, in ``unit``.

    ``against`` says what the other side is. ``ours_p99`` and ``theirs_p99`` are there where the tail matters.
    """

    name: str
    unit: str
    ours: float
    theirs: float | None = None
    against: str = ""
    goal: Goal | None = None
    ours_p99: float | None = None
    theirs_p99: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours as a multiple of theirs; ``None`` where there is no other side."""
        return self.ours / self.theirs if self.theirs else None

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met now; ``None`` where there is no goal, or nothing that it could be held against."""
        value = self.ratio if self.goal is not None and self.goal.of == "ratio" else self.ours
        return None if self.goal is None or value is None else self.goal.is_met_by(value)

    def as_json(self) -> dict[str, Any]:
        """Every field, and what follows from them, as plain values."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "goal"}
        goal = None if self.goal is None else {name: getattr(self.goal, name) for name in self.goal.__struct_fields__}
        return {**fields, "goal": goal, "ratio": self.ratio, "holds": self.holds}


def compared(
    name: str,
    unit: str,
    ours: Samples,
    theirs: Samples | None = None,
    *,
    against: str = "",
    goal: Goal | None = None,
    tail: bool = False,
    note: str = "",
) -> Figure:
    """The figure of some samples: their medians, and with ``tail`` their 99th percentiles."""
    return Figure(
        name=name,
        unit=unit,
        ours=ours.median,
        theirs=theirs.median if theirs else None,
        against=against,
        goal=goal,
        ours_p99=ours.p99 if tail else None,
        theirs_p99=theirs.p99 if theirs and tail else None,
        note=note,
    )
