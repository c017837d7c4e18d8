"""Counts that only ever rise, for a bounded number of plugins by name and for the rest together.

Which plugins are told apart can change between two scrapes: those that are called most. If the sum of the rest were
made anew each time, it would fall whenever a plugin got a label of its own, which a monitoring system takes for a
restart and counts once more. So what was counted is entered once, where it belongs at that moment, and stays there.
"""

import threading
from collections.abc import Iterable
from operator import add, sub
from typing import Protocol

from msgspec import Struct

from cadence.runtime.tally import BUCKET_SECONDS, Outcome, TallyView

#: The label of the plugins that are not told apart. A plugin of this very name is always one of them.
OTHER = "other"

_OUTCOMES = tuple(Outcome)
_Counts = tuple[float, ...]
_NOTHING: _Counts = (0,) * (len(_OUTCOMES) + len(BUCKET_SECONDS) + 3)


class Account(Struct, frozen=True):
    """What was entered under one label. ``buckets`` as in :class:`~cadence.runtime.tally.TallyView`."""

    outcomes: dict[Outcome, int]
    buckets: tuple[int, ...]
    sum_seconds: float
    restarts: int

    @property
    def is_used(self) -> bool:
        """Whether there is anything in it."""
        return self.restarts > 0 or any(self.buckets)

    @property
    def errors(self) -> int:
        """The calls that brought no result, but for those the caller got wrong."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.is_error)


class Counted(Protocol):
    """A plugin whose counts are entered: ``LivePlugin`` is one."""

    @property
    def tally(self) -> TallyView:
        """Its calls."""

    @property
    def restarts(self) -> int:
        """How often its worker was started again."""


class Ledger:
    """Enters what was counted of plugins. Any thread may use it.

    :param most: how many plugins are told apart.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._guard = threading.Lock()
        #: What was counted when it was last looked at, by plugin; what is new since then is entered.
        self._seen: dict[str, _Counts] = {}
        self._own: dict[str, _Counts] = {}
        self._other = _NOTHING

    def enter(self, plugins: Iterable[tuple[str, Counted]]) -> dict[str, Account]:
        """Enter what is new.

        :param plugins: all there are now, by name.
        :returns: the accounts by label: one for each plugin told apart, and :data:`OTHER` where there are others.
        """
        with self._guard:
            present = dict(plugins)
            told = self._told(present)
            self._own = {name: self._own.get(name, _NOTHING) for name in told}
            for name, plugin in present.items():
                self._enter(name, _counts(plugin))
            accounts = {name: _account(counts) for name, counts in self._own.items()}
            if len(present) > len(told) or self._other != _NOTHING:
                accounts[OTHER] = _account(self._other)
            return accounts

    def _told(self, present: dict[str, Counted]) -> list[str]:
        """The names that are called most; between equals those that are told apart already."""
        names = present.keys() - {OTHER}
        if len(names) > self._most:
            order = sorted(names, key=lambda name: (-present[name].tally.calls, name not in self._own, name))
            return sorted(order[: self._most])
        return sorted(names)

    def _enter(self, name: str, counts: _Counts) -> None:
        seen = self._seen.get(name, _NOTHING)
        if counts == seen:
            return
        if any(now < before for now, before in zip(counts, seen, strict=True)):
            seen = _NOTHING  # it was forgotten and is counted anew
        new = tuple(map(sub, counts, seen))
        self._seen[name] = counts
        if name in self._own:
            self._own[name] = tuple(map(add, self._own[name], new))
        else:
            self._other = tuple(map(add, self._other, new))


def _counts(plugin: Counted) -> _Counts:
    tally = plugin.tally
    return (*(tally.outcomes[outcome] for outcome in _OUTCOMES), *tally.buckets, tally.sum_seconds, plugin.restarts)


def _account(counts: _Counts) -> Account:
    outcomes, rest = counts[: len(_OUTCOMES)], counts[len(_OUTCOMES) :]
    return Account(
        outcomes={outcome: int(count) for outcome, count in zip(_OUTCOMES, outcomes, strict=True)},
        buckets=tuple(map(int, rest[:-2])),
        sum_seconds=rest[-2],
        restarts=int(rest[-1]),
    )
