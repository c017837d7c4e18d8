"""What is counted in the index for those who watch the server: read in steps, each of only what is new."""

from msgspec import Struct

from cadence.history import ActivationCause, EventKind
from cadence.model import InstallKind, InstallState, Stage
from cadence.storage.database import Connections


class InstallEnd(Struct, frozen=True):
    """How far an install is: ``stage`` is the last it came to, None where it came to none. ``n`` rises with time."""

    n: int
    kind: InstallKind
    state: InstallState
    stage: Stage | None


class Marks(Struct, frozen=True):
    """The last row of each kind that there was at some moment; 0 where there was none."""

    install: int
    event: int
    activation: int


class StatisticsIndex(Connections):
    """Every SQL statement that only counts."""

    def marks_before(self, moment: str) -> Marks:
        """The last rows that were written before ``moment`` (UTC, ISO 8601)."""
        # From the newest on: there are few since the moment that is asked for, and any number before it.
        return Marks(
            install=self._last("SELECT n FROM installs WHERE created_at < ? ORDER BY n DESC LIMIT 1", moment),
            event=self._last("SELECT n FROM events WHERE at < ? ORDER BY n DESC LIMIT 1", moment),
            activation=self._last("SELECT n FROM activations WHERE at < ? ORDER BY n DESC LIMIT 1", moment),
        )

    def installs_after(self, n: int) -> list[InstallEnd]:
        """The installs and checks after the ``n``-th, those that run included, oldest first."""
        rows = self.database.rows(
            "SELECT n, kind, state, json_extract(stages, '$[#-1].stage') AS stage FROM installs WHERE n > ? ORDER BY n",
            n,
        )
        return [
            InstallEnd(
                row["n"], InstallKind(row["kind"]), InstallState(row["state"]), row["stage"] and Stage(row["stage"])
            )
            for row in rows
        ]

    def events_after(self, n: int) -> list[tuple[int, EventKind]]:
        """Number and kind of the events after the ``n``-th, oldest first."""
        rows = self.database.rows("SELECT n, kind FROM events WHERE n > ? ORDER BY n", n)
        return [(row["n"], EventKind(row["kind"])) for row in rows]

    def activations_after(self, n: int) -> list[tuple[int, ActivationCause]]:
        """Number and cause of the changes of an active version after the ``n``-th, oldest first."""
        rows = self.database.rows("SELECT n, cause FROM activations WHERE n > ? ORDER BY n", n)
        return [(row["n"], ActivationCause(row["cause"])) for row in rows]

    def plugins_without_answer(self) -> dict[str, int]:
        """How many plugins no server runs, by why: ``disabled``, ``quarantined``, ``stopped``."""
        rows = self.database.rows("""
            SELECT CASE
                WHEN disabled THEN 'disabled'
                WHEN EXISTS (SELECT 1 FROM versions WHERE versions.name = plugins.name AND quarantine IS NOT NULL)
                THEN 'quarantined' ELSE 'stopped' END AS status, count(*) AS count
            FROM plugins
            WHERE (disabled OR active_version IS NULL) AND name IN (SELECT name FROM versions)
            GROUP BY 1""")
        return {"disabled": 0, "quarantined": 0, "stopped": 0} | {row["status"]: row["count"] for row in rows}

    def _last(self, sql: str, moment: str) -> int:
        row = self.database.row(sql, moment)
        return row["n"] if row else 0
