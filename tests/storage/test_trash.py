"""What is deleted stays for a while: the version as it was, what it needs, and what its plugin was granted."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from cadence.history import ActivationCause, EventKind, Reason
from cadence.model import Granted, Grants, PluginRef
from cadence.storage.commits import Publication
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from cadence.storage.trash import Deleted
from tests.storage.house import record_of
from tests.storage.test_versions import active_version, install, put

ONE, TWO = PluginRef("math", "1.0"), PluginRef("math", "2.0")
SECRETS = Grants(env={"KEY": "s3cret"})


def deleted(index: Index, ref: PluginRef) -> Deleted:
    found = index.deleted(ref)
    assert found is not None
    return found


def restore(index: Index, ref: PluginRef) -> Publication:
    """The way of a restoration through the index."""
    entry = deleted(index, ref)
    if index.pending_change(ref) is not None:
        index.mark_removed(ref)
    return install(index, entry.record, entry.was_active)


def expire(index: Index, ref: PluginRef, days: float = 0.0) -> None:
    """Have it be deleted so many days before it was, and kept for a day."""
    at = datetime.now(UTC) - timedelta(days=days)
    with index.database.atomic() as db:
        db.execute(
            "UPDATE deleted SET deleted_at = ?, expires_at = ? WHERE name = ? AND version = ?",
            (
                *((at + timedelta(days=one)).isoformat(timespec="microseconds") for one in (-1, 0)),
                ref.name,
                ref.version,
            ),
        )


def test_what_is_deleted_is_listed_the_latest_first_until_it_expires(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    put(index, "other", "1.0")
    for ref in (TWO, ONE, PluginRef("other", "1.0")):
        index.remove(ref, retention_days=7)
    assert [one.ref for one in index.deleted_versions()] == [PluginRef("other", "1.0"), ONE, TWO]
    one, two = index.deleted_versions("math")
    assert (one.was_active, two.was_active, two.install_id, two.size_bytes) == (True, True, "math-2.0", 1)
    assert two.description == "for tests"
    days = datetime.fromisoformat(two.expires_at) - datetime.fromisoformat(two.deleted_at)
    assert days == timedelta(days=7)
    expire(index, TWO)
    assert [one.ref for one in index.deleted_versions("math")] == [ONE]
    assert deleted(index, TWO).expired


def test_without_a_retention_nothing_is_kept(index: Index) -> None:
    put(index, "math", "1.0")
    index.put_grants("math", SECRETS)
    index.remove(ONE)
    assert index.deleted_versions() == []
    assert index.deleted(ONE) is None
    assert index.granted("math") == Granted()


def test_what_is_restored_is_as_it_was_and_active_again(index: Index) -> None:
    put(index, "math", "1.0")
    install(index, structs.replace(record_of(TWO, "two", environment="e" * 64), isolated=True))
    before = index.version(TWO)
    assert before is not None
    assert index.remove(TWO, retention_days=7) == "1.0"
    assert "e" * 64 in index.environments()
    generation = index.generation()
    publication = restore(index, TWO)
    assert (publication.activated, publication.previous_version) == (True, "1.0")
    assert publication.generation == index.generation() == generation + 1
    after = index.version(TWO)
    assert after is not None
    assert structs.replace(after, activated_at=None) == structs.replace(before, activated_at=None)
    assert [(one.version, one.cause) for one in index.activations("math", 2)] == [
        ("2.0", ActivationCause.RESTORE),
        ("1.0", ActivationCause.FALLBACK),
    ]
    kinds = [(event.kind, event.version) for event in index.events("math", 2)]
    assert kinds == [(EventKind.RESTORED, "2.0"), (EventKind.DELETED, "2.0")]
    assert index.deleted_versions() == []


def test_what_was_taken_back_is_so_again_when_it_is_restored(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    index.take_back(TWO, "math-2.0", Reason("health", "The unit is gone."))
    index.remove(TWO, retention_days=7)
    assert not restore(index, TWO).activated
    record = index.version(TWO)
    assert record is not None
    assert record.quarantine == "The unit is gone."
    assert active_version(index, "math") == "1.0"


def test_the_grants_of_a_plugin_go_and_come_with_its_last_version(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    put_first = index.put_grants("math", SECRETS)
    index.remove(ONE, retention_days=7)
    assert index.granted("math") == put_first
    index.remove(TWO, retention_days=7)
    assert index.granted("math") == Granted()
    assert index.all_granted() == {}
    restore(index, TWO)
    assert index.granted("math") == Granted(SECRETS, index.generation())
    record = index.version(TWO)
    assert record is not None
    assert record.grants_revision == index.generation() > put_first.revision


def test_they_come_with_it_also_when_an_older_version_came_first(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    index.put_grants("math", SECRETS)
    index.remove(ONE, retention_days=7)
    index.remove(TWO, retention_days=7)
    restore(index, ONE)
    assert index.granted("math") == Granted()
    restore(index, TWO)
    assert index.granted("math").grants == SECRETS


def test_nobody_gets_them_who_took_the_name_since(index: Index) -> None:
    put(index, "math", "1.0")
    index.put_grants("math", SECRETS)
    index.remove(ONE, retention_days=7)
    install(index, structs.replace(record_of(TWO, "stranger"), installed_at=utc_now()))
    restore(index, ONE)
    assert index.granted("math") == Granted()


def test_what_was_granted_since_stays(index: Index) -> None:
    put(index, "math", "1.0")
    index.put_grants("math", SECRETS)
    index.remove(ONE, retention_days=7)
    ahead = index.put_grants("math", Grants(threads=64))
    restore(index, ONE)
    assert index.granted("math") == ahead


def test_a_plugin_that_was_disabled_when_its_last_version_went_comes_back_disabled(index: Index) -> None:
    put(index, "math", "1.0")
    index.disable("math")
    index.remove(ONE, retention_days=7)
    put(index, "other", "1.0")
    publication = restore(index, ONE)
    assert (publication.activated, publication.disabled) == (True, True)
    assert set(index.active()) == {"other"}


def test_a_new_install_of_the_same_version_takes_the_place_of_a_deleted_one(index: Index) -> None:
    put(index, "math", "1.0")
    index.put_grants("math", SECRETS)
    index.disable("math")
    index.remove(ONE, retention_days=7)
    index.mark_removed(ONE)
    publication = install(index, record_of(ONE, "new"))
    assert (publication.activated, publication.disabled) == (True, False)
    assert index.deleted(ONE) is None
    assert index.granted("math") == Granted()
    assert [one.cause for one in index.activations("math", 1)] == [ActivationCause.INSTALL]


def test_what_is_kept_expires_by_its_own_time_or_a_shorter_one_that_was_set_since(index: Index) -> None:
    put(index, "math", "1.0", activate=False)
    put(index, "math", "2.0", activate=False)
    index.remove(ONE, retention_days=30)
    index.remove(TWO, retention_days=30)
    assert index.expired(30) == []
    expire(index, ONE)
    assert index.expired(30) == [ONE]
    assert set(index.expired(0)) == {ONE, TWO}
    index.forget_deleted(ONE)
    assert index.deleted(ONE) is None
    assert index.deleted_installs() == {"math-2.0": TWO}


@pytest.mark.parametrize("retention_days", [0, 7])
def test_an_environment_is_needed_as_long_as_its_version_can_be_brought_back(index: Index, retention_days: int) -> None:
    install(index, record_of(ONE, environment="one"))
    index.remove(ONE, retention_days)
    assert index.environments() == ({"one"} if retention_days else set())
    index.forget_deleted(ONE)
    assert index.environments() == set()
