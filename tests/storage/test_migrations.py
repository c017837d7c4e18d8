"""An index of before is brought to this version, and nothing that was in it is lost."""

from pathlib import Path

import msgspec
import pytest

from cadence.history import Activation, ActivationCause, PluginState
from cadence.model import Grants, PluginRef, VersionRecord
from cadence.storage.database import IndexDatabase
from cadence.storage.index import Index
from cadence.storage.migrations import migrations
from tests.storage.house import record_of

BEFORE = "m006_locks"


def write_version(db: IndexDatabase, record: VersionRecord) -> None:
    """As the version before this one wrote it."""
    report, dependencies = (msgspec.json.encode(one).decode() for one in (record.report, record.dependencies_installed))
    db.execute(
        "INSERT INTO versions (name, version, install_id, sha256, size_bytes, installed_at, source, environment, "
        "dependencies_installed, report, isolated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(record.ref.name, record.ref.version, record.install_id, record.sha256, record.size_bytes),
            *(record.installed_at, record.source, record.environment, dependencies, report, record.isolated),
        ),
    )


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """An index with two versions, of which the lower is active, and a plugin without an active version."""
    path = tmp_path / "index.db"
    db = IndexDatabase(path)
    migrations.apply(db, stop_before=_after(BEFORE))
    with db.atomic():
        for ref in (PluginRef("math", "1.0"), PluginRef("math", "2.0"), PluginRef("idle", "1.0")):
            write_version(db, record_of(ref, ref.slug, environment="e" * 64))
        db.execute("INSERT INTO plugins VALUES ('math', '1.0', 'math')")
        db.execute("INSERT INTO plugins VALUES ('idle', NULL, NULL)")
        db.execute('INSERT INTO grants VALUES (\'math\', 7, \'{"env":{"KEY":"s3cret"}}\')')
        db.execute("UPDATE state SET generation = 9, reload_generation = 4")
        waiting = msgspec.json.decode(msgspec.json.encode(record_of(PluginRef("late", "1.0"), "late")))
        for added in ("activated_at", "quarantine"):
            del waiting[added]
        db.execute(
            "INSERT INTO pending VALUES ('late', '1.0', 'publish', 'late', ?, 1, 'late')",
            (msgspec.json.encode(waiting).decode(),),
        )
    db.close()
    return path


def _after(name: str) -> str:
    from sqlite_utils import Database

    with Database(memory=True, execute_plugins=False) as empty:
        names = [migration.name for migration in migrations.pending(empty)]
    return names[names.index(name) + 1]


def test_everything_of_before_is_there_and_what_is_active_stays_so(before: Path) -> None:
    with Index.open(before) as index:
        assert [record.ref.slug for record in index.versions()] == ["idle-1.0", "math-2.0", "math-1.0"]
        active = index.active()["math"]
        assert (active.ref.version, active.install_id, active.quarantine) == ("1.0", "math-1.0", None)
        assert active.activated_at == active.installed_at, "it would be on probation anew"
        assert index.plugin_states() == {"idle": PluginState("idle", None), "math": PluginState("math", "1.0")}
        assert index.granted("math").grants == Grants(env={"KEY": "s3cret"})
        assert (index.generation(), index.reload_generation()) == (9, 4)
        assert index.environments() == {"e" * 64}
        assert (index.deleted_versions(), index.events("math"), index.checks("math")) == ([], [], [])


def test_the_history_begins_with_what_is_active(before: Path) -> None:
    with Index.open(before) as index:
        active = index.active()["math"]
        assert index.activations("math") == [Activation("1.0", None, ActivationCause.INSTALL, active.installed_at)]
        assert index.activations("idle") == []
        index.activate("math", "2.0")
        assert index.rollback_target("math") == "1.0"


def test_an_install_that_was_committed_before_is_completed(before: Path) -> None:
    with Index.open(before) as index:
        assert index.mark_published(PluginRef("late", "1.0"), "late").activated
        assert index.active()["late"].activated_at is not None
