"""The history: what happened and what was found, the latest first, and never without end."""

from datetime import UTC, datetime, timedelta

import pytest

from cadence.history import CheckKind, CheckRecord, EventKind
from cadence.model import PluginRef
from cadence.storage import history
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from tests.storage.test_versions import put


def check(words: str = "", at: str | None = None, **parts: object) -> CheckRecord:
    return CheckRecord("1.0", at or utc_now(), CheckKind.SCHEDULED, not words, 1.5, words, parts)


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")


def age(index: Index, table: str, days: float) -> None:
    """Have everything that was written be so old."""
    with index.database.atomic() as db:
        db.execute(f"UPDATE {table} SET at = ?", (days_ago(days),))


def test_events_are_read_page_by_page_the_latest_first(index: Index) -> None:
    for number in range(5):
        index.add_event("math", "1.0", EventKind.CRASHED, f"{number}")
    index.add_event("other", None, EventKind.DISABLED)
    first = index.events("math", limit=2)
    assert [event.words for event in first] == ["4", "3"]
    assert [event.words for event in index.events("math", limit=2, before=first[-1].n)] == ["2", "1"]
    (other,) = index.events("other")
    assert (other.name, other.version, other.kind, other.words) == ("other", None, EventKind.DISABLED, "")


def test_a_check_is_read_back_as_it_was_written(index: Index) -> None:
    first = index.add_check("math", check(queue={"depth": 3}))
    second = index.add_check("math", check("The unit is gone."))
    assert index.checks("math") == [second, first]
    assert (first.n, second.n) == (1, 2)
    assert index.checks("math", limit=1) == [second]
    assert index.checks("math", before=second.n) == [first]
    assert index.checks("other") == []


def test_what_a_plugin_says_is_kept_up_to_a_bounded_size(index: Index) -> None:
    index.add_check("math", check("x" * 10_000, flood="y" * 10_000_000))
    index.add_event("math", None, EventKind.CRASHED, "é" * 10_000)
    (found,) = index.checks("math")
    assert len(found.words) == history.MAX_WORDS
    assert found.words.endswith("…")
    assert found.checks == {"left_out": "10000012 bytes"}
    assert len(index.events("math")[0].words) == history.MAX_WORDS


def test_each_plugin_has_so_many_lines_at_most_and_the_oldest_make_room(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("MAX_EVENTS", "MAX_CHECKS", "MAX_ACTIVATIONS"):
        monkeypatch.setattr(history, limit, 3)
    index.add_event("other", None, EventKind.CRASHED, "kept")
    put(index, "math", "1.0")
    for number in range(5):
        index.add_event("math", None, EventKind.CRASHED, f"{number}")
        index.add_check("math", check(f"{number}"))
        put(index, "math", f"2.{number}")
    assert [event.words for event in index.events("math")] == ["4", "3", "2"]
    assert [one.words for one in index.checks("math")] == ["4", "3", "2"]
    assert [one.version for one in index.activations("math")] == ["2.4", "2.3", "2.2"]
    assert len(index.events("other")) == 1


def test_events_and_checks_go_when_they_are_old_and_their_numbers_are_not_used_again(index: Index) -> None:
    index.add_event("math", None, EventKind.CRASHED, "old")
    index.add_check("math", check("old", days_ago(31)))
    age(index, "events", 31)
    last = index.events("math")[0].n
    index.add_check("math", check("new", days_ago(29)))
    index.prune_history(30)
    assert index.events("math") == []
    assert [one.words for one in index.checks("math")] == ["new"]
    index.add_event("math", None, EventKind.CRASHED)
    assert index.events("math")[0].n > last


def test_one_can_roll_back_however_long_nothing_changed(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    put(index, "gone", "1.0")
    index.remove(PluginRef("gone", "1.0"))
    age(index, "activations", 400)
    index.prune_history(30)
    assert index.rollback_target("math") == "1.0"
    assert index.activations("gone") == []


def test_the_history_of_a_deleted_plugin_stays_as_long_as_it_can_be_brought_back(index: Index) -> None:
    put(index, "math", "1.0")
    index.remove(PluginRef("math", "1.0"), retention_days=1)
    age(index, "activations", 400)
    index.prune_history(30)
    assert len(index.activations("math")) == 2
