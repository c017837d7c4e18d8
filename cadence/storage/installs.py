"""The index of the installs: one row for each run of the pipeline, and its log lines."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from cadence.model import InstallKind, InstallRecord, InstallState, StageRecord
from cadence.storage.database import Connections, Row, utc_now


class InstallLine(Struct, frozen=True):
    """One line of an install's log: ``n`` counts from 1, ``stage`` is the stage that wrote it."""

    n: int
    stage: str
    text: str


class RunningInstall(Struct, frozen=True):
    """An install that has not ended, and the owner that runs it."""

    id: str
    owner: str


class InstallIndex(Connections):
    """Every SQL statement about installs.

    What is written here tells of an install and does not make it: a power cut may take the last lines, which would
    be lost with the install anyway. So nothing here waits for the disk.
    """

    def start_install(self, record: InstallRecord, owner: str) -> None:
        """Begin to keep an install. Recovery leaves its staging alone for as long as ``owner`` lives.

        To be called before the store's ``stage``: a staging folder that no install owns is swept away.
        """
        with self.database.progress() as db:
            db.execute(
                "INSERT INTO installs (id, filename, name, version, state, owner, created_at, stages, kind) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(record.id, record.filename, record.name, record.version, record.state, owner),
                    *(record.created_at, _stages_json(record.stages), record.kind),
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
        """Say how an install ended.

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

    def install(self, id: str) -> InstallRecord | None:
        """One install, or ``None``."""
        row = self.database.row("SELECT * FROM installs WHERE id = ?", id)
        return _install_record(row) if row else None

    def installs(self, limit: int) -> list[InstallRecord]:
        """The latest installs, the newest first."""
        return [
            _install_record(row) for row in self.database.rows("SELECT * FROM installs ORDER BY n DESC LIMIT ?", limit)
        ]

    def running_installs(self) -> list[RunningInstall]:
        """The installs that have not ended, also those whose owner died under them."""
        rows = self.database.rows("SELECT id, owner FROM installs WHERE state = 'running'")
        return [RunningInstall(**row) for row in rows]

    def request_cancel(self, id: str) -> bool:
        """Ask the process that runs an install to end it. Returns whether it runs, as far as the index knows."""
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
