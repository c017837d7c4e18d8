"""How every plugin stands, kept up to date as it changes, so that nobody has to look at thousands to learn of one."""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Generic, TypeVar

from msgspec import Struct

S = TypeVar("S")

#: So many changes are remembered; whoever was away for longer starts anew.
KEPT_CHANGES = 4096


class Changes(Struct, frozen=True):
    """What changed on a board up to ``number``: the names, or None where that is not remembered any more."""

    number: int
    names: frozenset[str] | None


class Board(Generic[S]):
    """A value for each of some names, and in which order they changed. Any thread may use it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._values: dict[str, S] = {}
        self._number = 0
        self._changed: deque[str] = deque(maxlen=KEPT_CHANGES)

    def put(self, name: str, value: S | None) -> None:
        """Say what stands for a name from now on; None takes it off."""
        with self._guard:
            if value is None:
                self._values.pop(name, None)
            else:
                self._values[name] = value
            self._number += 1
            self._changed.append(name)

    def get(self, name: str) -> S | None:
        """What stands for a name, None where nothing does."""
        return self._values.get(name)

    def all(self) -> Mapping[str, S]:
        """A copy of all of it."""
        with self._guard:
            return dict(self._values)

    def since(self, number: int) -> Changes:
        """What changed after a number that was given before; -1 stands for the beginning."""
        if number == self._number:
            return Changes(number, frozenset())
        with self._guard:
            count = self._number - number
            if number < 0 or count > len(self._changed):
                return Changes(self._number, None)
            return Changes(self._number, frozenset(list(self._changed)[-count:]))
