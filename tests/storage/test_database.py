"""How the index is opened and shared: many threads, many processes, one schema."""

import gc
import multiprocessing
import sqlite3
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cadence.errors import ConfigurationError, StorageFull
from cadence.model import InstallRecord, InstallState, PluginRef
from cadence.storage.index import Index
from cadence.storage.migrations import migrations
from tests.storage.house import record_of

RUNNING = InstallRecord("i1", "math-1.0.zip", InstallState.RUNNING, "2026-01-01T00:00:00.000000+00:00")
SPAWN = multiprocessing.get_context("spawn")


def test_the_index_is_opened_for_durable_shared_use(index: Index) -> None:
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    values = [index.database.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in pragmas]
    assert values == ["wal", 2, 1, 10_000]


def test_what_is_only_progress_does_not_stay_undurable_for_the_next_transaction(index: Index) -> None:
    with index.database.progress() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (1,)
    assert index.database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_index_written_by_a_newer_version_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with Index.open(path) as index:
        values = {"migration_set": migrations.name, "name": "m999_the_future", "applied_at": "later"}
        index.database.table(migrations.migrations_table).insert(values)
    with pytest.raises(ConfigurationError, match=r"newer version of Cadence .*m999_the_future"):
        Index.open(path)


def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_text("these are notes, and no database at all\n" * 100)
    with pytest.raises(ConfigurationError, match=r"index\.db is not an index of Cadence"):
        Index.open(path)


def test_opening_a_second_time_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    Index.open(path).close()
    with Index.open(path) as index:
        assert [migration.name for migration in migrations.applied(index.database)] == [
            "m001_versions_and_plugins",
            "m002_generation",
            "m003_installs",
            "m004_servers",
            "m005_grants",
            "m006_locks",
            "m007_decisions_and_history",
            "m008_search",
            "m009_threads",
            "m010_origins",
            "m011_listing",
            "m012_history_by_kind",
        ]


def test_a_failed_transaction_leaves_nothing(index: Index) -> None:
    def fail() -> None:
        with index.database.atomic() as db:
            db.execute("UPDATE state SET generation = 99")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert index.generation() == 0


def test_a_full_disk_is_said_and_leaves_nothing(index: Index) -> None:
    index.start_install(RUNNING, "owner")
    (pages,) = index.database.execute("PRAGMA page_count").fetchone()
    index.database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFull):
        index.append_lines("i1", [("trial", "x" * 100_000)])
    assert index.lines("i1") == []
    assert not index.database.conn.in_transaction


def test_each_thread_has_a_connection_that_ends_with_it(index: Index) -> None:
    others: list[weakref.ref[object]] = []
    thread = threading.Thread(target=lambda: others.append(weakref.ref(index.database)))
    thread.start()
    thread.join()
    gc.collect()
    assert others[0]() is None


def test_closing_closes_the_connections_of_all_threads(tmp_path: Path) -> None:
    index = Index.open(tmp_path / "index.db")
    with ThreadPoolExecutor(1) as pool:
        database = pool.submit(lambda: index.database).result()
        index.close()
        with pytest.raises(sqlite3.ProgrammingError):
            database.execute("SELECT 1")
        with pytest.raises(sqlite3.ProgrammingError):
            pool.submit(index.generation).result()


def _write(path: Path, start: object, name: str) -> None:
    """In a process of its own: open at the same moment as the others, then write from four threads."""
    start.wait(60)  # type: ignore[attr-defined]  # a Barrier; multiprocessing gives its proxies no type
    with Index.open(path) as index, ThreadPoolExecutor(4) as pool:

        def install(number: int) -> None:
            record = record_of(PluginRef(f"{name}{number}", "1.0"), f"{name}{number}")
            index.commit_version(record)
            index.mark_published(record.ref, record.install_id)

        list(pool.map(install, range(25)))


def test_processes_that_open_and_write_at_once_all_succeed(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    start = SPAWN.Barrier(3)
    processes = [SPAWN.Process(target=_write, args=(path, start, name)) for name in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with Index.open(path) as index:
        assert (index.generation(), len(index.active())) == (75, 75)


def test_a_writer_waits_for_the_one_before_it(index: Index) -> None:
    """With a plain BEGIN the second would be refused at once: it has read what the first then changed."""
    entered, may_end = threading.Event(), threading.Event()

    def first() -> None:
        with index.database.atomic() as db:
            entered.set()
            may_end.wait(30)
            db.execute("UPDATE state SET generation = generation + 1")

    def second() -> int:
        may_end.set()
        with index.database.atomic() as db:
            before = index.generation()
            db.execute("UPDATE state SET generation = generation + 1")
            return before

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert entered.wait(30)
        assert pool.submit(second).result() == 1
        one.result()
    assert index.generation() == 2
