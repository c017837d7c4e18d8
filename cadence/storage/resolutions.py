"""The index of what dependencies were resolved to: locks by environment, and resolutions by what went into them."""

from collections.abc import Set

from cadence.storage.database import Connections, utc_now

#: Resolutions that are remembered; the oldest make room.
MAX_RESOLUTIONS = 10_000


class ResolutionIndex(Connections):
    """Every SQL statement about locks and resolutions.

    A lock is kept for as long as a version needs its environment, or a resolution is remembered that came to it.
    """

    def find_resolution(self, inputs: str) -> str | None:
        """The lock that the same inputs were resolved to last time, as it was kept; None where they never were."""
        row = self.database.row(
            "SELECT lock FROM resolutions JOIN locks USING (environment) WHERE inputs = ?",
            inputs,
        )
        return row["lock"] if row else None

    def keep_resolution(self, inputs: str, environment: str, lock: str) -> None:
        """Remember what some inputs were resolved to, in the place of what they were before.

        :param inputs: a digest of all that went into the resolution.
        :param environment: the key of the environment that is made from the lock.
        :param lock: the lock, as its room writes it.
        """
        with self.database.atomic() as db:
            db.execute("INSERT INTO locks VALUES (?, ?) ON CONFLICT DO NOTHING", (environment, lock))
            db.execute(
                "INSERT INTO resolutions VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
                "environment = excluded.environment, resolved_at = excluded.resolved_at",
                (inputs, environment, utc_now()),
            )
            # This one stays, also where the clock was set back.
            db.execute(
                "DELETE FROM resolutions WHERE rowid IN "
                "(SELECT rowid FROM resolutions ORDER BY inputs = ? DESC, resolved_at DESC LIMIT -1 OFFSET ?)",
                (inputs, MAX_RESOLUTIONS),
            )

    def lock_of(self, environment: str) -> str | None:
        """The lock that an environment was made from, as it was kept; None where there is none."""
        row = self.database.row("SELECT lock FROM locks WHERE environment = ?", environment)
        return row["lock"] if row else None

    def forget_locks(self, needed: Set[str]) -> None:
        """Forget the locks that no resolution came to and that are not of a needed environment."""
        with self.database.atomic() as db:
            rows = db.execute("SELECT environment FROM locks EXCEPT SELECT environment FROM resolutions").fetchall()
            db.conn.executemany(
                "DELETE FROM locks WHERE environment = ?", [row for row in rows if row[0] not in needed]
            )
