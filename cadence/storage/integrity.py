"""Whether the file of the index is what SQLite left there."""

import sqlite3

from cadence.storage.database import Connections


def damage(index: Connections) -> str | None:
    """What SQLite finds wrong with the file, in its words; ``None`` where it can be read whole.

    Reads every page once (https://sqlite.org/pragma.html#pragma_quick_check), and changes nothing.
    """
    try:
        row = index.database.row("PRAGMA quick_check(1)") or {}
    except sqlite3.Error as error:
        return str(error)
    found = str(next(iter(row.values()), "no answer"))
    return None if found == "ok" else found
