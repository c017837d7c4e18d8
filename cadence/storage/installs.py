"""The index of the installs: one row for each run of the pipeline, and its log lines."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from cadence.history import EventKind
from cadence.model import InstallKind, InstallRecord, InstallState, StageRecord
from cadence.origin import Origin, OriginKind, current_origin
from cadence.storage.database import Row, utc_now
from cadence.storage.history import HistoryIndex

#: What is told in the history of an install that installed nothing.
_UNDONE = {
    InstallState.FAILED: EventKind.INSTALL_FAILED,
    InstallState.INTERRUPTED: EventKind.INSTALL_FAILED,
    InstallState.CANCELLED: EventKind.INSTALL_CANCELLED,
}


class InstallLine(Struct, frozen=True):
    """One line of an install's log: ``n`` counts from 1, ``stage`` is the stage that wrote it."""

    n: int
    stage: str
    text: str


class RunningInstall(Struct, frozen=True):
    """An install that has not ended, and the owner that runs it."""

    id: str
    owner: str


class InstallIndex(HistoryIndex):
    """Every SQL statement about installs.

    What is written here tells of an install and does not make it: a power cut may take the last lines, which would
    be lost with the install anyway. So nothing here waits for the disk.
    """

    def start_install(self, record: InstallRecord, owner: str) -> None:
        """Begin to keep an install. Recovery leaves its staging alone for as long as ``owner`` lives.

        To be called before the store's ``stage``: a staging folder that no install owns is swept away.
        """
        origin = current_origin()
        with self.database.progress() as db:
            db.execute(
                "INSERT INTO installs "
                "(id, filename, name, version, state, owner, created_at, stages, kind, origin, client) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(record.id, record.filename, record.name, record.version, record.state, owner),
                    *(record.created_at, _stages_json(record.stages), record.kind, origin.kind, origin.client),
                ),
            )

    def update_install(
        self, id: str, *, name: str | None = None, version: str | None = None, stages: Sequence[StageRecord] = ()
    ) -> None:
        """Say how far a running install is. What is left out stays as it was."""
        with self.database.progress() as db:
            db.execute(
                "UPDATE installs SET name = coalesce(?, name), version = coalesce(?, version), "
                "stages = coalesce(?, stages) WHERE id = ?",
                (name, version, _stages_json(stages) if stages else None, id),
            )

    def finish_install(
        self,
        id: str,
        state: InstallState,
        status: int,
        outcome: dict[str, object],
        stages: Sequence[StageRecord] | None = None,
    ) -> None:
        """Say how an install ended. One that installed nothing is told in the history of the plugin it was for.

        :param status: the HTTP status of its outcome.
        :param outcome: the JSON object that was or would have been answered.
        :param stages: all its stages; ``None`` leaves those that were written before.
        """
        with self.database.progress() as db:
            db.execute(
                "UPDATE installs SET state = ?, status = ?, outcome = ?, finished_at = ?, "
                "stages = coalesce(?, stages) WHERE id = ?",
                (
                    *(state, status, msgspec.json.encode(outcome).decode(), utc_now()),
                    *(None if stages is None else _stages_json(stages), id),
                ),
            )
            if kind := _UNDONE.get(state):
                self._tell_undone(id, kind, _outcome_words(outcome))

    def note_canceller(self, id: str) -> None:
        """Keep that whoever acts now wants a running install to end."""
        origin = current_origin()
        with self.database.progress() as db:
            db.execute(
                "UPDATE installs SET cancelled_by = ?, cancelling_client = ? WHERE id = ? AND state = 'running'",
                (origin.kind, origin.client, id),
            )

    def _tell_undone(self, id: str, kind: EventKind, words: str) -> None:
        """Within a transaction. What was only checked, or whose name is not known, is in no history."""
        row = self.database.row("SELECT * FROM installs WHERE id = ?", id)
        if row is None or row["name"] is None or row["kind"] != InstallKind.INSTALL:
            return
        by, client = row["origin"], row["client"]
        if kind is EventKind.INSTALL_CANCELLED and row["cancelled_by"]:
            by, client = row["cancelled_by"], row["cancelling_client"]
        origin = Origin(OriginKind(by), client) if by else None
        self._write_event(row["name"], row["version"], kind, words, install_id=id, origin=origin)

    def install(self, id: str) -> InstallRecord | None:
        """One install, or ``None``."""
        row = self.database.row("SELECT * FROM installs WHERE id = ?", id)
        return _install_record(row) if row else None

    def installs(
        self, limit: int, *, after: str | None = None, name: str | None = None, state: InstallState | None = None
    ) -> list[InstallRecord]:
        """The latest installs and checks, the newest first.

        :param after: only those that began before the one with this id.
        :param name: only those of this plugin.
        :param state: only those that stand so.
        """
        rows = self.database.rows(
            "SELECT * FROM installs WHERE (?1 IS NULL OR n < (SELECT n FROM installs WHERE id = ?1)) "
            "AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR state = ?3) ORDER BY n DESC LIMIT ?4",
            *(after, name, state, limit),
        )
        return [_install_record(row) for row in rows]

    def running_installs(self) -> list[RunningInstall]:
        """The installs that have not ended, also those whose owner died under them."""
        rows = self.database.rows("SELECT id, owner FROM installs WHERE state = 'running'")
        return [RunningInstall(**row) for row in rows]

    def request_cancel(self, id: str) -> bool:
        """Ask the process that runs an install to end it. Returns whether it runs, as far as the index knows."""
        self.note_canceller(id)
        with self.database.progress() as db:
            asked = db.execute("UPDATE installs SET cancelling = 1 WHERE id = ? AND state = 'running'", (id,))
            return asked.rowcount > 0

    def cancel_requests(self, owner: str) -> list[str]:
        """The running installs of one owner that are to end."""
        rows = self.database.rows(
            "SELECT id FROM installs WHERE state = 'running' AND owner = ? AND cancelling = 1", owner
        )
        return [row["id"] for row in rows]

    def append_lines(self, id: str, lines: Iterable[tuple[str, str]]) -> None:
        """Add lines to an install's log.

        :param lines: pairs of stage and text.
        """
        with self.database.progress() as db:
            db.conn.executemany(
                "INSERT INTO install_lines SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3 FROM install_lines "
                "WHERE install_id = ?1",
                [(id, stage, text) for stage, text in lines],
            )

    def lines(self, id: str, after: int = 0) -> list[InstallLine]:
        """The log of an install, in order; only the lines whose number is greater than ``after``."""
        rows = self.database.rows(
            "SELECT n, stage, text FROM install_lines WHERE install_id = ? AND n > ? ORDER BY n", id, after
        )
        return [InstallLine(**row) for row in rows]


def _outcome_words(outcome: Mapping[str, object]) -> str:
    """Why nothing was installed: what it is called, and the first sentence, where there are several."""
    details = outcome.get("details")
    first = next(iter(details), "") if isinstance(details, list) else details
    return ": ".join(str(words) for words in (outcome.get("message"), first) if words)


def _install_record(row: Row) -> InstallRecord:
    return InstallRecord(
        id=row["id"],
        filename=row["filename"],
        state=InstallState(row["state"]),
        created_at=row["created_at"],
        name=row["name"],
        version=row["version"],
        stages=msgspec.json.decode(row["stages"], type=tuple[StageRecord, ...]),
        status=row["status"],
        outcome=row["outcome"] and msgspec.json.decode(row["outcome"], type=dict),
        kind=InstallKind(row["kind"]),
        cancelling=bool(row["cancelling"]),
    )


def _stages_json(stages: Sequence[StageRecord]) -> str:
    return msgspec.json.encode(stages).decode()
