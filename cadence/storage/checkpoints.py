"""The SQLite file in which LangGraph keeps the threads of conversations; its tables are LangGraph's own."""

import sqlite3
from pathlib import Path

from cadence.storage.database import BUSY_SECONDS
from cadence.storage.folders import keep_database_private


def open_checkpoints(path: Path) -> sqlite3.Connection:
    """A connection for LangGraph's ``SqliteSaver``, which locks it against its own threads."""
    keep_database_private(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    # A power cut may undo the last turns, and their text is in the index; a killed process undoes nothing.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def keep_latest(cursor: sqlite3.Cursor, thread_id: str) -> None:
    """Remove all checkpoints of a thread but the latest: each holds the whole conversation.

    Their ids sort by time (LangGraph's ``BaseCheckpointSaver``).
    """
    for table in ("writes", "checkpoints"):
        cursor.execute(
            f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id <"  # noqa: S608  (two names of our own)
            " (SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?)",
            (thread_id, thread_id),
        )
