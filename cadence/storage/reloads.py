"""Reloads that were asked for: by an event that says of what, and a generation by which every server sees it."""

from collections.abc import Collection

from cadence.history import EventKind
from cadence.storage.generation import GenerationIndex
from cadence.storage.history import HistoryIndex
from cadence.storage.occurrences import EVERY_PLUGIN


class ReloadIndex(GenerationIndex, HistoryIndex):
    """Every SQL statement about reloads."""

    def request_reload(self, names: Collection[str] | None = None) -> int:
        """Ask every server to load some plugins anew, or all. Returns the generation that stands for the request."""
        with self.database.atomic() as db:
            generation = self.raise_generation()
            db.execute("UPDATE state SET reload_generation = generation")
            for name in (EVERY_PLUGIN,) if names is None else names:
                self._write_event(name, None, EventKind.RELOADED)
        return generation

    def last_reload(self) -> int:
        """The number of the latest request of a reload, 0 where there was none."""
        row = self.database.row("SELECT max(n) AS n FROM events WHERE kind = ? AND change IS NULL", EventKind.RELOADED)
        return (row["n"] if row else None) or 0

    def reloads_after(self, number: int) -> frozenset[str] | None:
        """Of which plugins a reload was asked for after the one with that number; None where it was of all."""
        rows = self.database.rows(
            "SELECT DISTINCT name FROM events WHERE kind = ? AND change IS NULL AND n > ?", EventKind.RELOADED, number
        )
        names = frozenset(row["name"] for row in rows)
        return None if EVERY_PLUGIN in names else names
