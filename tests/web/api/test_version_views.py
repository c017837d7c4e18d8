"""How records of the index and the live set become what is shown."""

from typing import Any

import pytest
from msgspec import structs

from cadence.history import ActivationCause, EventKind, PluginState
from cadence.model import HealthReport, PluginRef, VersionRecord
from cadence.runtime.slot import LivePlugin
from cadence.runtime.tally import NO_CALLS
from cadence.web.history_views import ACTIVATION_LABELS, EVENT_LABELS, TOPICS
from cadence.web.present import STATUS_LABELS
from cadence.web.version_views import HEALTH_STATES, standing_of
from tests.storage.house import record_of

STATE = PluginState("demo", "1.0.0")
SICK = HealthReport(healthy=False, error="The cellar is flooded", ms=3.0)


def version(number: str = "1.0.0", *, active: bool = True, quarantine: str | None = None) -> VersionRecord:
    return structs.replace(record_of(PluginRef("demo", number)), active=active, quarantine=quarantine)


def live(status: str = "live", **more: Any) -> LivePlugin:
    record = version()
    return LivePlugin(record, status, record.report, more.pop("health", record.report.health), NO_CALLS, **more)  # type: ignore[arg-type]  # a status of the parameters below


def at(second: float) -> str:
    return f"2026-01-01T00:00:{second:09.6f}+00:00"


@pytest.mark.parametrize(
    ("plugin", "status", "words"),
    [
        (live(), "live", "Answering"),
        (live(error="The last reload failed."), "live", "Answering. The last reload failed."),
        (live("degraded", error="A service is down."), "degraded", "Answering. A service is down."),
        (live("degraded", health=SICK), "degraded", "Answering. The health check failed: The cellar is flooded"),
        (live("asleep"), "asleep", "Asleep"),
        (live("starting"), "starting", "Starting"),
        (live("failed", error="It crashed."), "failed", "It crashed."),
        (None, "starting", "Starting"),
    ],
)
def test_an_active_plugin_stands_as_the_live_set_has_it(plugin: LivePlugin | None, status: str, words: str) -> None:
    standing = standing_of([version()], plugin, STATE)
    assert (standing.status, standing.words) == (status, words)


def test_what_operators_decided_goes_before_what_is_live_for_a_moment_longer() -> None:
    disabled = structs.replace(STATE, disabled=True)
    assert standing_of([version()], live(), disabled).status == "disabled"
    assert standing_of([version()], live("asleep"), STATE, safe_mode=True).status == "stopped"
    assert standing_of([version()], None, disabled, safe_mode=True).status == "disabled"


def test_without_an_active_version_it_says_which_was_taken_back_and_why() -> None:
    versions = [version("2.0.0", active=False, quarantine="It crashed."), version(active=False)]
    standing = standing_of(versions, None, PluginState("demo", None))
    assert (standing.status, standing.words) == ("quarantined", "2.0.0 was taken back: It crashed.")
    standing = standing_of(versions[1:], None, PluginState("demo", None))
    assert (standing.status, standing.words) == ("stopped", "Not active")


def test_the_last_check_is_the_latest_that_is_known_and_else_that_of_the_trial() -> None:
    record = version()
    check = standing_of([record], None, STATE).health.last_check
    assert check is not None
    assert (check.healthy, check.at) == (True, record.installed_at)
    check = standing_of([record], live("degraded", health=SICK, checked_at=at(5)), STATE).health.last_check
    assert check is not None
    assert (check.healthy, check.ms, check.at) == (False, 3.0, at(5))
    assert "The cellar is flooded" in check.words


def test_there_are_words_for_everything() -> None:
    assert ACTIVATION_LABELS.keys() == set(ActivationCause)
    assert EVENT_LABELS.keys() == set(EventKind)
    assert HEALTH_STATES.keys() == STATUS_LABELS.keys()


def test_everything_that_can_happen_belongs_to_a_topic() -> None:
    assert frozenset().union(*(topic.kinds for topic in TOPICS)) == {*ActivationCause, *EventKind}
