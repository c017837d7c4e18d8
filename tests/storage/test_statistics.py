"""What is counted in the index for those who watch the server."""

import pytest

from cadence.history import ActivationCause, EventKind
from cadence.model import InstallKind, InstallRecord, InstallState, Stage, StageRecord
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from cadence.storage.statistics import InstallEnd, Marks


def begin(index: Index, id: str, kind: InstallKind = InstallKind.INSTALL) -> None:
    index.start_install(InstallRecord(id, "x.zip", InstallState.RUNNING, utc_now(), kind=kind), "owner")


def end(index: Index, id: str, state: InstallState, *stages: Stage) -> None:
    index.finish_install(id, state, 200, {}, tuple(StageRecord(stage, 1.0) for stage in stages))


def test_an_install_is_told_with_its_last_stage_also_while_it_runs(index: Index) -> None:
    begin(index, "1")
    begin(index, "2", InstallKind.CHECK)
    begin(index, "3")
    end(index, "1", InstallState.FAILED, Stage.RECEIVE, Stage.INSPECT)
    end(index, "2", InstallState.SUCCEEDED, Stage.RECEIVE, Stage.TRIAL)
    assert index.installs_after(0) == [
        InstallEnd(1, InstallKind.INSTALL, InstallState.FAILED, Stage.INSPECT),
        InstallEnd(2, InstallKind.CHECK, InstallState.SUCCEEDED, Stage.TRIAL),
        InstallEnd(3, InstallKind.INSTALL, InstallState.RUNNING, None),
    ]
    assert [install.n for install in index.installs_after(2)] == [3]


def test_the_marks_are_those_of_the_last_rows_before_a_moment(index: Index) -> None:
    assert index.marks_before(utc_now()).install == 0
    begin(index, "1")
    moment = utc_now()
    begin(index, "2")
    assert index.marks_before(moment).install == 1
    assert index.marks_before(utc_now()).install == 2


def test_where_every_plugin_answers_none_is_without_answer(index: Index) -> None:
    assert index.plugins_without_answer() == {"disabled": 0, "quarantined": 0, "stopped": 0}


def happen(index: Index, kind: EventKind, at: str) -> None:
    with index.database.atomic() as db:
        db.execute("INSERT INTO events (name, kind, at) VALUES ('a', ?, ?)", (kind, at))


def activate(index: Index, cause: ActivationCause, at: str) -> None:
    with index.database.atomic() as db:
        db.execute("INSERT INTO activations (name, cause, at) VALUES ('a', ?, ?)", (cause, at))


def test_events_and_activations_are_told_by_number_and_kind(index: Index) -> None:
    happen(index, EventKind.CRASHED, "2026-01-01")
    happen(index, EventKind.ROLLED_BACK, "2026-01-02")
    activate(index, ActivationCause.INSTALL, "2026-01-01")
    activate(index, ActivationCause.AUTOMATIC_ROLLBACK, "2026-01-02")
    assert index.events_after(0) == [(1, EventKind.CRASHED), (2, EventKind.ROLLED_BACK)]
    assert index.events_after(1) == [(2, EventKind.ROLLED_BACK)]
    assert index.activations_after(1) == [(2, ActivationCause.AUTOMATIC_ROLLBACK)]
    assert index.marks_before("2026-01-02") == Marks(install=0, event=1, activation=1)


@pytest.mark.parametrize(
    ("active", "disabled", "quarantined", "expected"),
    [
        (True, False, False, None),
        (True, False, True, None),  # of several versions a bad one was taken back
        (True, True, False, "disabled"),
        (False, True, True, "disabled"),
        (False, False, True, "quarantined"),
        (False, False, False, "stopped"),
    ],
)
def test_a_plugin_without_answer_is_counted_by_why(
    index: Index, active: bool, disabled: bool, quarantined: bool, expected: str | None
) -> None:
    with index.database.atomic() as db:
        db.execute(
            "INSERT INTO versions (name, version, install_id, sha256, size_bytes, installed_at, source,"
            " dependencies_installed, report, quarantine) VALUES ('a', '1', 'i', '', 0, '', 'upload', '[]', '{}', ?)",
            ("It crashed." if quarantined else None,),
        )
        names = ("1", "a") if active else (None, None)
        db.execute(
            "INSERT INTO plugins (name, active_version, metadata_name, disabled) VALUES ('a', ?, ?, ?)",
            (*names, disabled),
        )
    counts = index.plugins_without_answer()
    assert counts == {why: int(why == expected) for why in ("disabled", "quarantined", "stopped")}


def test_a_plugin_of_which_no_version_is_left_is_not_counted(index: Index) -> None:
    with index.database.atomic() as db:
        db.execute("INSERT INTO plugins (name, disabled) VALUES ('a', 1)")
    assert not any(index.plugins_without_answer().values())
