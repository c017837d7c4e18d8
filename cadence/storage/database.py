"""The SQLite file of the index: how it is opened, by which thread, and how a transaction begins."""

import contextlib
import sqlite3
import threading
import weakref
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlite_utils import Database

from cadence.errors import ConfigurationError, StorageFull
from cadence.storage.folders import keep_database_private
from cadence.storage.locks import file_lock
from cadence.storage.migrations import known_migrations, migrations

BUSY_SECONDS = 10.0
"""How long a writer waits for the one before it."""

Row = dict[str, Any]


def utc_now() -> str:
    """The present time as the index writes it: UTC, ISO 8601, to the microsecond, so that it sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class IndexDatabase(Database):
    """One connection.

    A transaction takes the write lock when it begins. With SQLite's plain ``BEGIN`` two writers that have both read
    something would each need the other to end first, and one is refused at once with ``database is locked``,
    whatever the busy timeout (https://sqlite.org/isolation.html, ``SQLITE_BUSY_SNAPSHOT``).
    """

    def __init__(self, path: Path) -> None:
        # Only its own thread uses a connection, but closing the index closes those of all threads.
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            super().__init__(connection, execute_plugins=False)
            self.execute("PRAGMA foreign_keys = ON")
            self.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise

    @contextlib.contextmanager
    def atomic(self) -> Generator[Database, None, None]:
        """As in sqlite-utils, begun with ``BEGIN IMMEDIATE``; a nested one is a savepoint.

        :raises StorageFull: when the disk has no room; nothing of the transaction is kept.
        """
        if self.conn.in_transaction:
            with super().atomic():
                yield self
            return
        with _full_disk_in_words():
            self.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self.execute("COMMIT")
            except BaseException:
                self.rollback()
                raise

    @contextlib.contextmanager
    def progress(self) -> Generator[Database, None, None]:
        """A transaction that a power cut may undo (but a killed process not): it does not wait for the disk.

        For what is of no use after a power cut, such as the stages of an install that died with it. In WAL mode
        this endangers no other transaction (https://sqlite.org/pragma.html#pragma_synchronous).
        """
        self.execute("PRAGMA synchronous = NORMAL")
        try:
            with self.atomic():
                yield self
        finally:
            self.execute("PRAGMA synchronous = FULL")

    def rows(self, sql: str, *parameters: object) -> list[Row]:
        """The rows of a ``SELECT``, each as a mapping from column to value."""
        return list(self.query(sql, parameters))

    def row(self, sql: str, *parameters: object) -> Row | None:
        """The first row of a ``SELECT``, or ``None``."""
        return next(iter(self.rows(sql, *parameters)), None)


class Connections:
    """The connections to one SQLite file, one for each thread that asks.

    A thread's connection closes when the thread ends; :meth:`close` closes all that are left.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._open: weakref.WeakSet[IndexDatabase] = weakref.WeakSet()
        self._guard = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, and bring it to this version's schema where it is not there yet.

        :param path: of the SQLite file, created with its folder where there is none.
        :raises ConfigurationError: when a newer version of Cadence has written it, or it is no database.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        keep_database_private(path)
        index = cls(path)
        try:
            _migrate(index)
        except BaseException:
            index.close()
            raise
        return index

    @property
    def instance(self) -> Path:
        """The folder that the file lies in; locks and owners lie beside it."""
        return self.path.parent

    @property
    def database(self) -> IndexDatabase:
        """The calling thread's connection."""
        database: IndexDatabase | None = getattr(self._local, "database", None)
        if database is None or self._closed:
            database = self._local.database = self._connect()
        return database

    def close(self) -> None:
        """Close the connections of all threads. No thread may be in the middle of a statement."""
        with self._guard:
            self._closed = True
            for database in list(self._open):
                database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> IndexDatabase:
        with self._guard:
            if self._closed:
                raise sqlite3.ProgrammingError("The index is closed.")
            database = IndexDatabase(self.path)
            ended = weakref.finalize(database, database.conn.close)
            # Not when the interpreter ends: whoever closes the house then still writes to the index.
            ended.atexit = False
            self._open.add(database)
            return database


def _migrate(index: Connections) -> None:
    path = index.path
    try:
        database = index.database
        if _is_current(database):
            return
        with file_lock(path.with_name(f"{path.name}.lock")):
            # Not under SQLite's own lock: the change to WAL needs the file to itself and does not wait for it.
            database.enable_wal()
            if not _is_current(database):
                migrations.apply(database)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise ConfigurationError(f"{path} is not an index of Cadence: the file is no SQLite database.") from None
        if error.sqlite_errorcode == sqlite3.SQLITE_CORRUPT:
            words = (
                "is damaged. Restore the backup of the instance, or move the file away to begin with an empty index."
            )
            raise ConfigurationError(f"{path} {words}") from None
        raise


def _is_current(database: IndexDatabase) -> bool:
    """Whether nothing is to be done.

    :raises ConfigurationError: when there is more than this version of Cadence knows.
    """
    known = known_migrations()
    applied = {migration.name for migration in migrations.applied(database)}
    if unknown := applied - known:
        raise ConfigurationError(
            f"The index was written by a newer version of Cadence (it has {', '.join(sorted(unknown))}). "
            "Start that version again, or restore the backup of the instance made before it."
        )
    return applied == known and database.journal_mode == "wal"


@contextlib.contextmanager
def _full_disk_in_words() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise StorageFull("The disk of the index is full. Free some space, then try again.") from error
        raise
