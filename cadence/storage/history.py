"""The index of what happened: changes of the active version, events, and health checks, each bounded per plugin."""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import structs

from cadence.history import Activation, ActivationCause, CheckKind, CheckRecord, Event, EventKind
from cadence.origin import Origin, current_origin
from cadence.storage.database import Row, utc_now
from cadence.storage.occurrences import EVERY_PLUGIN, OccurrenceIndex

#: So many changes of its active version are kept for each plugin, however old they are: it can be rolled back by them.
MAX_ACTIVATIONS = 200
#: So many events are kept for each plugin at most; the oldest make room.
MAX_EVENTS = 1_000
#: So many health checks are kept for each plugin at most; the oldest make room.
MAX_CHECKS = 1_000
#: Words are cut at so many characters: they can come from a plugin.
MAX_WORDS = 2_000
#: The parts of a health check are kept up to so many bytes of JSON: they come from a plugin.
MAX_PARTS_BYTES = 4_096


class HistoryIndex(OccurrenceIndex):
    """Every SQL statement that writes the history, and those that read one table of it.

    What is written is so on the word of the present origin. Nothing here waits for the disk, but for what is written
    together with a decision.
    """

    def activations(self, name: str, limit: int = 50) -> list[Activation]:
        """The changes of a plugin's active version, the latest first."""
        rows = self.database.rows("SELECT * FROM activations WHERE name = ? ORDER BY n DESC LIMIT ?", name, limit)
        return [_activation(row) for row in rows]

    def add_event(self, name: str | None, version: str | None, kind: EventKind, words: str = "") -> None:
        """Keep that something happened to a plugin, or to every one; ``version`` None: to all of it."""
        with self.database.progress():
            self._write_event(EVERY_PLUGIN if name is None else name, version, kind, words)

    def events(self, name: str, limit: int = 100, before: int | None = None) -> list[Event]:
        """What happened to a plugin, the latest first.

        :param before: only what has a lower number than this.
        """
        rows = self.database.rows(
            "SELECT * FROM events WHERE name = ?1 AND (?2 IS NULL OR n < ?2) ORDER BY n DESC LIMIT ?3",
            *(name, before, limit),
        )
        return [_event(row) for row in rows]

    def add_check(self, name: str, check: CheckRecord) -> CheckRecord:
        """Keep a health check, and give it with its number.

        Of parts that are larger than :data:`MAX_PARTS_BYTES` only the size is kept.
        """
        parts = msgspec.json.encode(check.checks)
        if len(parts) > MAX_PARTS_BYTES:
            parts = msgspec.json.encode({"left_out": f"{len(parts)} bytes"})
        with self.database.progress() as db:
            added = db.execute(
                "INSERT INTO checks (name, version, at, kind, healthy, ms, words, checks) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(name, check.version, check.at, check.kind, check.healthy, check.ms),
                    *(_cut(check.words), parts.decode()),
                ),
            )
            self._keep_latest("checks", name, MAX_CHECKS)
        return structs.replace(check, n=added.lastrowid or 0)

    def checks(self, name: str, limit: int = 100, before: int | None = None) -> list[CheckRecord]:
        """The health checks of a plugin, the latest first.

        :param before: only those with a lower number than this.
        """
        rows = self.database.rows(
            "SELECT * FROM checks WHERE name = ?1 AND (?2 IS NULL OR n < ?2) ORDER BY n DESC LIMIT ?3",
            *(name, before, limit),
        )
        return [_check(row) for row in rows]

    def prune_history(self, days: int) -> None:
        """Forget events and health checks that are older than so many days.

        Changes of the active version go only with their plugin: when it is not installed any more, cannot be brought
        back, and they are as old.
        """
        oldest = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
        with self.database.progress() as db:
            db.execute("DELETE FROM events WHERE at < ?", (oldest,))
            db.execute("DELETE FROM checks WHERE at < ?", (oldest,))
            db.execute(
                "DELETE FROM activations WHERE at < ? AND name NOT IN (SELECT name FROM plugins UNION "
                "SELECT name FROM deleted)",
                (oldest,),
            )

    def _write_event(
        self,
        name: str,
        version: str | None,
        kind: EventKind,
        words: str = "",
        *,
        change: int | None = None,
        install_id: str | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Within a transaction.

        :param change: the number of the change of the active version that this tells of too.
        :param origin: on whose word, where not on that of whoever acts now.
        """
        by = origin or current_origin()
        self.database.execute(
            "INSERT INTO events (name, version, kind, at, words, change, install_id, origin, client) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (name, version, kind, utc_now(), _cut(words), change, install_id, by.kind, by.client),
        )
        self._keep_latest("events", name, MAX_EVENTS)

    def _write_activation(self, name: str, activation: Activation, origin: Origin | None = None) -> None:
        """Within a transaction; ``origin`` as in :meth:`_write_event`."""
        by = origin or current_origin()
        self.database.execute(
            "INSERT INTO activations (name, version, previous_version, cause, at, words, install_id, origin, client) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(name, activation.version, activation.previous_version, activation.cause),
                *(activation.at, _cut(activation.words), activation.install_id, by.kind, by.client),
            ),
        )
        self._keep_latest("activations", name, MAX_ACTIVATIONS)

    def _last_change(self, name: str) -> int | None:
        """The number of the latest change of a plugin's active version."""
        row = self.database.row("SELECT max(n) AS n FROM activations WHERE name = ?", name)
        return row["n"] if row else None

    def _keep_latest(self, table: str, name: str, count: int) -> None:
        self.database.execute(
            f"DELETE FROM {table} WHERE name = ?1 AND n <= "  # noqa: S608 - the names of our tables
            f"(SELECT n FROM {table} WHERE name = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)",
            (name, count),
        )


def _cut(words: str) -> str:
    return words if len(words) <= MAX_WORDS else f"{words[: MAX_WORDS - 1]}…"


def _activation(row: Row) -> Activation:
    cause = ActivationCause(row["cause"])
    return Activation(row["version"], row["previous_version"], cause, row["at"], row["words"], row["install_id"])


def _event(row: Row) -> Event:
    kind = EventKind(row["kind"])
    return Event(row["n"], row["name"], row["version"], kind, row["at"], row["words"], row["install_id"])


def _check(row: Row) -> CheckRecord:
    return CheckRecord(
        version=row["version"],
        at=row["at"],
        kind=CheckKind(row["kind"]),
        healthy=bool(row["healthy"]),
        ms=row["ms"],
        words=row["words"],
        checks=msgspec.json.decode(row["checks"], type=dict),
        n=row["n"],
    )
