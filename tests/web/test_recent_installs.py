"""Which installs stand above the list of plugins."""

from datetime import UTC, datetime, timedelta

from cadence.model import InstallRecord, InstallState
from cadence.web.installs import news

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def record(id_: str, minutes_ago: float, state: InstallState = InstallState.SUCCEEDED) -> InstallRecord:
    began = (NOW - timedelta(minutes=minutes_ago)).isoformat(timespec="microseconds")
    return InstallRecord(id_, "math_plugin-1.0.0.zip", state, began)


def shown(*records: InstallRecord) -> list[str]:
    return [one.id for one in news(records, NOW)]


def test_those_of_the_last_hour_are_shown() -> None:
    assert shown(record("c", 1), record("b", 60), record("a", 61)) == ["c", "b"]


def test_one_that_runs_is_shown_however_long_it_takes() -> None:
    assert shown(record("b", 1), record("a", 300, InstallState.RUNNING)) == ["b", "a"]


def test_the_last_one_is_shown_however_long_ago_it_was() -> None:
    assert shown(record("b", 9000), record("a", 9001)) == ["b"]
    assert shown() == []
