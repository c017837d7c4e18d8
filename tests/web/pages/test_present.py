"""Words for numbers and moments, and values made from records."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from cadence.model import (
    HealthReport,
    InstallRecord,
    InstallState,
    Metadata,
    PluginRef,
    Stage,
    StageRecord,
    TrialReport,
    VersionRecord,
)
from cadence.web.install_views import EXISTS_WORDS, InstallView, install_view
from cadence.web.present import exact_time, human_ms, human_size, plugin_view, relative_time

NOW = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
REACHED = (StageRecord(Stage.RECEIVE, 3.0), StageRecord(Stage.ARCHIVE, 5.0))


def shown(state: InstallState, outcome: dict[str, Any] | None = None, **more: Any) -> InstallView:
    values: dict[str, Any] = {"name": "math_plugin", "version": "1.1.0", "stages": REACHED} | more
    return install_view(InstallRecord("i1", "math_plugin-1.1.0.zip", state, NOW.isoformat(), outcome=outcome, **values))


def record(number: str, *, active: bool = False) -> VersionRecord:
    report = TrialReport(Metadata("math", number, f"Description of {number}"), (), True, HealthReport(True), ("Odd.",))
    return VersionRecord(PluginRef("math_plugin", number), "i1", "00", 5, NOW.isoformat(), "upload", active, report)


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KB"),
        (1_258_291, "1.2 MB"),
        (50 * 1024 * 1024, "50 MB"),
        (1024 * 1024 - 1, "1 MB"),
        (5 * 1024**5, "5120 TB"),
    ],
)
def test_a_size_is_said_in_the_largest_unit_that_fits(size_bytes: int, words: str) -> None:
    assert human_size(size_bytes) == words


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0.4, "<1 ms"), (18.4, "18 ms"), (999.6, "1.0 s"), (1440, "1.4 s"), (59_990, "1 min 0 s"), (125_000, "2 min 5 s")],
)
def test_a_duration_is_said_in_the_unit_a_person_would_use(ms: float, words: str) -> None:
    assert human_ms(ms) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-30, "just now"),
        (44, "just now"),
        (45, "1 minute ago"),
        (300, "5 minutes ago"),
        (3590, "1 hour ago"),
        (7200, "2 hours ago"),
        (86_400, "1 day ago"),
        (12 * 86_400, "12 days ago"),
        (90 * 86_400, "24 August 2026"),
    ],
)
def test_a_moment_is_said_as_a_distance(seconds: int, words: str) -> None:
    assert relative_time((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == words


def test_the_exact_time_is_in_utc_whatever_offset_it_was_written_with() -> None:
    assert exact_time("2026-11-22T17:29:05+01:00") == "22 November 2026, 16:29:05 UTC"
    assert exact_time("2026-11-22T16:29:05") == "22 November 2026, 16:29:05 UTC"


def test_a_plugin_shows_its_active_version_and_lists_all_of_them_highest_first() -> None:
    records = [record("1.9.0", active=True), record("1.10.0"), record("0.1.0")]
    view = plugin_view(records, "live", "Answering", lambda ref: f"/store/{ref.slug}")
    assert (view.version, view.description) == ("1.9.0", "Description of 1.9.0")
    assert [one.version for one in view.versions] == ["1.10.0", "1.9.0", "0.1.0"]
    assert view.versions[0].directory == "/store/math_plugin-1.10.0"
    assert view.versions[0].warnings == ("Odd.",)


def test_a_plugin_without_an_active_version_shows_its_highest() -> None:
    view = plugin_view([record("0.9"), record("nonsense"), record("1.0")], "stopped", "", lambda ref: ref.slug)
    assert view.version == "1.0"
    assert [one.version for one in view.versions] == ["1.0", "0.9", "nonsense"]


def test_a_running_install_shows_all_eight_stages_and_says_what_it_does() -> None:
    view = shown(InstallState.RUNNING, stages=(*REACHED, StageRecord(Stage.EXISTS)))
    assert [stage.stage for stage in view.stages] == list(Stage)
    assert [stage.state for stage in view.stages] == ["done", "done", "running"] + ["pending"] * 5
    assert view.result == "Comparing with what is installed"
    assert view.poll


def test_a_failed_install_marks_the_stage_that_failed_and_is_not_asked_again() -> None:
    view = shown(InstallState.FAILED, {"message": "Invalid ZIP file format", "details": "No ZIP"})
    assert [stage.state for stage in view.stages] == ["done", "failed"] + ["pending"] * 6
    assert view.result == "Invalid ZIP file format. Nothing was changed."
    assert [fault.message for fault in view.faults] == ["No ZIP"]
    assert not view.poll


def test_every_fault_of_a_failure_is_shown_with_its_culprit() -> None:
    faults = [{"message": "A", "culprit": "plugin.py", "stage": "inspect"}, {"message": "B"}]
    view = shown(InstallState.FAILED, {"message": "Plugin validation failed", "faults": faults, "details": ["A", "B"]})
    assert [(fault.message, fault.culprit) for fault in view.faults] == [("A", "plugin.py"), ("B", None)]


def test_several_sentences_without_faults_are_shown_one_by_one() -> None:
    view = shown(InstallState.FAILED, {"message": "Plugin validation failed", "details": ["A", "B"]})
    assert [fault.message for fault in view.faults] == ["A", "B"]


def test_a_version_that_exists_is_explained_in_words_of_the_page() -> None:
    outcome = {"message": "Plugin already exists", "details": "Use force_overwrite=true to replace"}
    assert [fault.message for fault in shown(InstallState.FAILED, outcome).faults] == [EXISTS_WORDS]


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"activated": True}, "math_plugin 1.1.0 is installed and answers now."),
        ({"activated": False}, "math_plugin 1.1.0 is installed. It is not the active version."),
        ({"activated": True, "previous_version": "1.0.0"}, "is installed and has taken over from 1.0.0."),
        ({"activated": True, "previous_version": "1.1.0"}, "replaced the copy that was installed, and answers now."),
    ],
)
def test_a_success_says_what_answers_now(details: dict[str, Any], words: str) -> None:
    view = shown(InstallState.SUCCEEDED, {"success": True, "details": details | {"warnings": ["Odd."]}})
    assert view.result.endswith(words)
    assert view.warnings == ("Odd.",)
    assert view.faults == ()


@pytest.mark.parametrize("state", [InstallState.CANCELLED, InstallState.INTERRUPTED])
def test_an_install_that_was_ended_says_that_nothing_was_changed(state: InstallState) -> None:
    assert "Nothing was changed" in shown(state).result


def test_an_install_that_waits_says_so() -> None:
    assert shown(InstallState.RUNNING, stages=()).result == "Waiting for its turn"


def test_a_view_becomes_json_as_it_is() -> None:
    data = msgspec.to_builtins(shown(InstallState.RUNNING))
    assert data["stages"][0] == {"stage": "receive", "label": "Receive", "state": "done", "ms": 3.0}
