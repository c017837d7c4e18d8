"""The index of the server processes: who runs, and what each made of the last change."""

from typing import Any

import msgspec
from msgspec import Struct

from cadence.storage.database import Connections, Row, utc_now


class ServerRecord(Struct, frozen=True):
    """One server process; ``id`` is that of its owner.

    ``seen_generation`` is the generation it has brought its live set to, ``report`` what it said about that.
    """

    id: str
    pid: int
    started_at: str
    seen_generation: int
    report: dict[str, Any] | None = None


class ServerIndex(Connections):
    """Every SQL statement about servers. A power cut ends them all, so nothing here waits for the disk."""

    def register_server(self, id: str, pid: int) -> None:
        """Tell the others that a server runs. It has seen nothing yet."""
        with self.database.progress() as db:
            db.execute("INSERT INTO servers VALUES (?, ?, ?, 0, NULL)", (id, pid, utc_now()))

    def server_report(self, id: str, generation: int, report: dict[str, Any]) -> None:
        """Say what a server made of ``generation``; an older generation than it told before is not taken.

        :param report: a JSON object.
        """
        with self.database.progress() as db:
            db.execute(
                "UPDATE servers SET seen_generation = ?1, report = ?2 WHERE id = ?3 AND seen_generation <= ?1",
                (generation, msgspec.json.encode(report).decode(), id),
            )

    def servers(self) -> list[ServerRecord]:
        """The servers, in the order in which they started; one that was killed may be among them."""
        return [_server_record(row) for row in self.database.rows("SELECT * FROM servers ORDER BY started_at, id")]

    def unregister_server(self, id: str) -> None:
        """Forget a server that has ended."""
        with self.database.progress() as db:
            db.execute("DELETE FROM servers WHERE id = ?", (id,))


def _server_record(row: Row) -> ServerRecord:
    return ServerRecord(**row | {"report": row["report"] and msgspec.json.decode(row["report"])})
