"""On whose word it was: kept with everything that is decided, and found again by what is asked for."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.history import ActivationCause, EventKind, HistoryQuestion, Occurrence, Reason
from cadence.model import Endpoint, Grants, InstallKind, InstallRecord, InstallState, PluginRef
from cadence.origin import BY_ITSELF, Origin, OriginKind, acting_for, current_origin, handed_on
from cadence.storage.index import Index
from tests.storage.house import record_of
from tests.storage.test_versions import install, put

PAGE = Origin(OriginKind.PAGE, "127.0.0.1")
API = Origin(OriginKind.API, "::1")
COMMAND = Origin(OriginKind.COMMAND, "root")


@pytest.fixture
def as_page() -> Iterator[None]:
    with acting_for(PAGE):
        yield


def history(index: Index, name: str | None = "math", limit: int = 50, **asked: object) -> list[Occurrence]:
    return index.history(HistoryQuestion(name, **asked), limit)  # type: ignore[arg-type]  # as it is asked


def latest(index: Index, name: str = "math") -> Occurrence:
    return history(index, name)[0]


def test_nobody_asked_for_what_a_thread_does_but_where_it_was_handed_the_work() -> None:
    found: list[Origin] = []

    def work() -> None:
        found.append(current_origin())

    with acting_for(PAGE):
        for target in (work, handed_on(work)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        work()
    assert found == [BY_ITSELF, PAGE, PAGE]
    assert current_origin() == BY_ITSELF


@pytest.mark.usefixtures("as_page")
def test_every_decision_is_kept_with_whoever_made_it(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    index.activate("math", "1.0")
    index.roll_back("math")
    index.pin("math")
    index.unpin("math")
    index.disable("math")
    index.enable("math")
    index.remove(PluginRef("math", "2.0"), retention_days=1)
    told = history(index)
    assert [(one.kind, one.version) for one in reversed(told)] == [
        (ActivationCause.INSTALL, "1.0"),
        (ActivationCause.INSTALL, "2.0"),
        (ActivationCause.ACTIVATE, "1.0"),
        (ActivationCause.ROLLBACK, "2.0"),
        (EventKind.PINNED, "2.0"),
        (EventKind.UNPINNED, None),
        (EventKind.DISABLED, None),
        (EventKind.ENABLED, None),
        (EventKind.DELETED, "2.0"),
        (ActivationCause.FALLBACK, "1.0"),
    ]
    assert {one.origin for one in told} == {PAGE}


@pytest.mark.usefixtures("as_page")
def test_what_the_server_takes_back_nobody_asked_for(index: Index) -> None:
    """Also where somebody asked for the health check that it failed."""
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    index.take_back(PluginRef("math", "2.0"), "math-2.0", Reason("health", "It is down."))
    told = history(index)[:2]
    assert {one.kind for one in told} == {ActivationCause.AUTOMATIC_ROLLBACK, EventKind.QUARANTINED}
    assert {one.origin for one in told} == {BY_ITSELF}


@pytest.mark.usefixtures("as_page")
def test_an_install_is_told_with_its_id_whatever_it_changes(index: Index) -> None:
    install(index, record_of(PluginRef("math", "2.0"), "first"))
    assert (latest(index).kind, latest(index).install_id) == (ActivationCause.INSTALL, "first")
    install(index, record_of(PluginRef("math", "1.0"), "lower"))
    assert (latest(index).kind, latest(index).install_id) == (EventKind.INSTALLED, "lower")
    install(index, record_of(PluginRef("math", "2.0"), "anew"))
    assert (latest(index).kind, latest(index).install_id) == (EventKind.REPLACED, "anew")
    assert len(history(index)) == 3


def test_an_install_that_another_process_completes_was_still_asked_for_by_whoever_did(index: Index) -> None:
    record = record_of(PluginRef("math", "1.0"), "i1")
    with acting_for(API):
        index.commit_version(record)
    with acting_for(PAGE):
        index.mark_published(record.ref, "i1")
    assert latest(index).origin == API


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (InstallState.FAILED, EventKind.INSTALL_FAILED),
        (InstallState.INTERRUPTED, EventKind.INSTALL_FAILED),
        (InstallState.CANCELLED, EventKind.INSTALL_CANCELLED),
    ],
)
def test_an_install_that_installed_nothing_is_told_with_why(index: Index, state: InstallState, kind: EventKind) -> None:
    record = InstallRecord("i1", "math-1.0.zip", InstallState.RUNNING, "2026-01-01T00:00:00+00:00", "math", "1.0")
    with acting_for(API):
        index.start_install(record, "owner")
    index.finish_install("i1", state, 422, {"message": "Validation failed", "details": ["No tools.", "No agent."]})
    (told,) = history(index)
    assert (told.kind, told.version, told.install_id, told.origin) == (kind, "1.0", "i1", API)
    assert told.words == "Validation failed: No tools."


def test_a_cancelled_install_is_told_with_who_cancelled_it(index: Index) -> None:
    record = InstallRecord("i1", "math-1.0.zip", InstallState.RUNNING, "2026-01-01T00:00:00+00:00", "math", "1.0")
    with acting_for(API):
        index.start_install(record, "owner")
    with acting_for(PAGE):
        assert index.request_cancel("i1")
    with acting_for(API):
        index.finish_install("i1", InstallState.CANCELLED, 409, {})
    assert latest(index).origin == PAGE


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ({"kind": InstallKind.CHECK}, InstallState.FAILED),
        ({"name": None, "version": None}, InstallState.FAILED),
        ({}, InstallState.SUCCEEDED),
    ],
)
def test_a_check_and_what_succeeded_and_what_has_no_name_are_no_news(
    index: Index, record: dict[str, object], state: InstallState
) -> None:
    values = {"name": "math", "version": "1.0", **record}
    index.start_install(InstallRecord("i1", "x.zip", InstallState.RUNNING, "2026", **values), "owner")  # type: ignore[arg-type]  # as above
    index.finish_install("i1", state, 200, {})
    assert history(index, None) == []


@pytest.mark.usefixtures("as_page")
def test_a_change_of_grants_is_told_without_any_value_of_the_environment(index: Index) -> None:
    index.put_grants("math", Grants(network=(Endpoint("api.example.com", 443),), env={"KEY": "s3cret", "OLD": "o1d"}))
    assert latest(index).kind is EventKind.GRANTED_AHEAD
    put(index, "math", "1.0")
    index.put_grants("math", Grants(memory_mb=256, env={"KEY": "an0ther", "NEW": "n3w"}))
    told = latest(index)
    assert (told.kind, told.version, told.origin) == (EventKind.GRANTED, None, PAGE)
    assert told.words == (
        "network closed to api.example.com:443; memory_mb 256 instead of the default; "
        "environment: NEW set; environment: KEY changed; environment: OLD removed"
    )
    words = " ".join(one.words for one in history(index))
    assert not any(value in words for value in ("s3cret", "o1d", "an0ther", "n3w"))


@pytest.mark.usefixtures("as_page")
def test_grants_that_change_nothing_are_no_news(index: Index) -> None:
    put(index, "math", "1.0")
    index.put_grants("math", Grants())
    assert len(history(index)) == 1


def test_a_reload_of_everything_is_in_the_history_of_each_from_when_it_was_first_heard_of(index: Index) -> None:
    index.add_event(None, None, EventKind.RELOADED)
    put(index, "math", "1.0")
    assert EventKind.RELOADED not in {one.kind for one in history(index)}
    with acting_for(COMMAND):
        index.add_event(None, None, EventKind.RELOADED)
    told = latest(index)
    assert (told.name, told.kind, told.origin) == (None, EventKind.RELOADED, COMMAND)
    assert history(index, "absent") == []
    assert len(history(index, None)) == 3


@pytest.fixture
def told(index: Index) -> Index:
    """Two plugins, done by three, and something by the server."""
    with acting_for(PAGE):
        put(index, "math", "1.0")
        put(index, "math", "2.0")
        put(index, "other", "1.0")
    with acting_for(API):
        index.activate("math", "1.0")
    index.add_event("math", "1.0", EventKind.CRASHED, "It fell.")
    with acting_for(COMMAND):
        index.disable("math")
    return index


def test_the_history_is_found_by_plugin_kind_version_and_origin(told: Index) -> None:
    assert len(history(told, None)) == 6
    assert [one.name for one in history(told, "other")] == ["other"]
    assert [one.kind for one in history(told, kinds=frozenset({"crashed", "disabled"}))] == ["disabled", "crashed"]
    assert history(told, kinds=frozenset()) == []
    assert [one.version for one in history(told, version="2.0")] == ["1.0", "2.0"]  # it gave way to 1.0
    for kind, count in ((OriginKind.PAGE, 2), (OriginKind.API, 1), (OriginKind.COMMAND, 1), (OriginKind.SERVER, 1)):
        assert len(history(told, origin=kind)) == count
    assert told.history_versions("math") == ["2.0", "1.0"]


@pytest.mark.parametrize("origin", [None, *OriginKind])
@pytest.mark.parametrize("kinds", [None, {"install", "crashed"}, {"disabled"}, {"pinned"}, set()])
def test_a_part_of_all_that_happened_is_what_of_it_fits(
    told: Index, kinds: set[str] | None, origin: OriginKind | None
) -> None:
    """Also of what was kept when nobody kept on whose word it was."""
    told.database.execute("UPDATE activations SET origin = NULL, client = NULL WHERE name = 'other'")
    fits = [
        one
        for one in history(told, None)
        if (kinds is None or one.kind in kinds) and (origin is None or (one.origin and one.origin.kind is origin))
    ]
    wanted = None if kinds is None else frozenset(kinds)
    assert history(told, None, kinds=wanted, origin=origin) == fits
    pages: list[Occurrence] = []
    while page := history(told, None, 1, kinds=wanted, origin=origin, before=pages[-1].position if pages else None):
        pages += page
    assert pages == fits


@pytest.mark.parametrize("origin", [None, OriginKind.PAGE])
@pytest.mark.parametrize("kinds", [None, frozenset({"install", "crashed"})])
def test_what_is_rare_is_not_looked_for_among_all_that_happened(
    told: Index, kinds: frozenset[str] | None, origin: OriginKind | None
) -> None:
    connection = told.database.conn
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    history(told, None, kinds=kinds, origin=origin)
    connection.set_trace_callback(None)
    (asked,) = (one for one in statements if "activations" in one)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked}")]
    looked = [step for step in plan if step.startswith(("SCAN activations", "SCAN events", "SEARCH activations"))]
    assert looked
    assert all("USING INDEX" in step for step in looked), looked


def test_page_by_page_everything_is_told_once(told: Index) -> None:
    """Also what happened at the very same moment."""
    told.database.execute("UPDATE events SET at = '2026-01-01T00:00:00.000000+00:00'")
    told.database.execute("UPDATE activations SET at = '2026-01-01T00:00:00.000000+00:00'")
    whole = history(told, None)
    pages: list[Occurrence] = []
    while page := history(told, None, 1, before=pages[-1].position if pages else None):
        pages += page
    assert pages == whole
    assert len({one.position for one in whole}) == 6


def test_what_an_event_and_a_change_both_tell_of_is_there_once_with_the_words_of_the_event(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    index.activate("math", "1.0")
    index.activate("math", "1.0")
    again, change, *_ = history(index)
    assert (again.kind, again.previous_version) == (EventKind.ACTIVATED, None)
    assert (change.kind, change.previous_version) == (ActivationCause.ACTIVATE, "2.0")
    assert change.words == "In the place of 2.0."
    assert len(history(index)) == 4


def test_of_what_was_kept_before_nobody_knows_whose_word_it_was_and_nothing_is_told_twice(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with Index.open(path) as index:
        put(index, "math", "1.0")
        put(index, "math", "2.0")
        index.activate("math", "1.0")
        index.disable("math")
        _as_before(index)
    with Index.open(path) as index:
        told = history(index)
        assert [one.kind for one in told] == ["disabled", "activate", "install", "install"]
        assert {one.origin for one in told} == {None}
        assert told[1].words == "In the place of 2.0."


def _as_before(index: Index) -> None:
    """Take back what the migration did."""
    db = index.database
    db.execute("DROP INDEX events_change")
    db.execute("DROP INDEX activations_at")
    db.execute("DROP INDEX activations_by_kind")
    db.execute("DROP INDEX events_by_kind")
    columns = {"activations": ["origin", "client", "install_id"], "pending": ["origin", "client"]}
    columns["events"] = [*columns["activations"], "change"]
    columns["installs"] = ["origin", "client", "cancelled_by", "cancelling_client"]
    for table, names in columns.items():
        for name in names:
            db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    db.execute("DELETE FROM _sqlite_migrations WHERE name IN ('m010_origins', 'm012_history_by_kind')")
