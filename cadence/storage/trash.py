"""The index of what is taken out, and of what was deleted and can be brought back for a while."""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from cadence.expectation import ANYTHING, Expected
from cadence.history import ActivationCause, DeletedVersion, EventKind
from cadence.model import PluginRef, VersionRecord
from cadence.origin import Origin
from cadence.storage.activation import ActivationIndex
from cadence.storage.database import Row, utc_now
from cadence.storage.versions import json_text


class Deleted(Struct, frozen=True):
    """A version that was deleted, as it was. ``expired`` is whether it stays deleted."""

    record: VersionRecord
    was_active: bool
    expired: bool


class TrashIndex(ActivationIndex):
    """Every SQL statement about versions that go.

    What is deleted takes the grants of its plugin along where it is the last version: they hold secrets, which are
    shown to nobody, and are gone with it when it expires.
    """

    def remove(self, ref: PluginRef, retention_days: int = 0, expected: Expected = ANYTHING) -> str | None:
        """Take a version out, and raise the generation. Its files follow, by recovery if need be.

        In place of an active version the highest good one of the others becomes active whose metadata name no other
        plugin has.

        :param retention_days: days for which it can be brought back; 0: it cannot.
        :return: the version that became active in its place; ``None`` where it was not active or none is left.
        :raises NotFound: when it is not installed.
        :raises Outdated: when it does not stand as ``expected``, or something else would take its place.
        """
        with self.database.atomic() as db:
            record = self._require_installed(ref)
            self.require_expected(ref, expected)
            expected.require_target(ref.name, self.successor_of(ref), f"the deletion of {ref.version}")
            if retention_days:
                self._keep(record, retention_days)
            self._write_event(ref.name, ref.version, EventKind.DELETED)
            fallback = self._forget_version(record, f"{ref.version} was deleted.")
            db.execute(
                "INSERT OR REPLACE INTO pending (name, version, change) VALUES (?, ?, 'remove')",
                (ref.name, ref.version),
            )
            self.raise_generation()
        return fallback

    def successor_of(self, ref: PluginRef) -> str | None:
        """The version that would become active if this one was deleted now; ``None`` where that changes nothing."""
        if self._active_version(ref.name) != ref.version:
            return None
        fallback = self._fallback(ref)
        return fallback.ref.version if fallback else None

    def mark_removed(self, ref: PluginRef) -> None:
        """Say that the files of a removed version are gone, or aside."""
        with self.database.progress() as db:
            db.execute(
                "DELETE FROM pending WHERE name = ? AND version = ? AND change = 'remove'", (ref.name, ref.version)
            )

    def forget(self, ref: PluginRef) -> str | None:
        """As :meth:`remove`, for a version whose files are lost: nothing has to follow."""
        with self.database.atomic():
            record = self._require_installed(ref)
            fallback = self._forget_version(record, f"The files of {ref.version} are gone.")
            self.raise_generation()
        return fallback

    def deleted_versions(self, name: str | None = None, limit: int | None = None) -> list[DeletedVersion]:
        """What can be brought back, of one plugin or of all, what was deleted last first; at most so many."""
        rows = self.database.rows(
            "SELECT * FROM deleted WHERE (?1 IS NULL OR name = ?1) AND expires_at > ?2 "
            "ORDER BY deleted_at DESC LIMIT ?3",
            *(name, utc_now(), -1 if limit is None else limit),
        )
        return [_deleted_version(row) for row in rows]

    def deleted(self, ref: PluginRef) -> Deleted | None:
        """A version that was deleted, also when it expired and was not purged yet; ``None`` where it was not."""
        row = self._deleted_row(ref)
        return _deleted(row) if row else None

    def deleted_installs(self) -> dict[str, PluginRef]:
        """Everything that was deleted and not purged, by its ``install_id``."""
        rows = self.database.rows("SELECT name, version, install_id FROM deleted")
        return {row["install_id"]: PluginRef(row["name"], row["version"]) for row in rows}

    def expired(self, retention_days: int) -> list[PluginRef]:
        """What was deleted and is to go for good now.

        :param retention_days: days for which things are kept at present; at its deletion it may have been longer.
        """
        now = datetime.now(UTC)
        oldest = (now - timedelta(days=retention_days)).isoformat(timespec="microseconds")
        rows = self.database.rows(
            "SELECT name, version FROM deleted WHERE expires_at <= ? OR deleted_at <= ?", utc_now(), oldest
        )
        return [PluginRef(row["name"], row["version"]) for row in rows]

    def forget_deleted(self, ref: PluginRef) -> None:
        """Have a deleted version stay deleted. Its files follow."""
        with self.database.atomic() as db:
            db.execute("DELETE FROM deleted WHERE name = ? AND version = ?", (ref.name, ref.version))

    def _deleted_row(self, ref: PluginRef) -> Row | None:
        return self.database.row("SELECT * FROM deleted WHERE name = ? AND version = ?", ref.name, ref.version)

    def _keep(self, record: VersionRecord, retention_days: int) -> None:
        """Within the transaction that takes it out, and before that is done."""
        now, ref = datetime.now(UTC), record.ref
        is_last = self._installed(ref.name) == {ref.version}
        state = self.plugin_state(ref.name)
        self.database.execute(
            "INSERT OR REPLACE INTO deleted (name, version, install_id, record, environment, deleted_at, expires_at, "
            "was_active, disabled, grants) "
            "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT grants FROM grants WHERE ? AND name = ?)",
            (
                *(ref.name, ref.version, record.install_id, json_text(record), record.environment),
                now.isoformat(timespec="microseconds"),
                (now + timedelta(days=retention_days)).isoformat(timespec="microseconds"),
                *(record.active, state is not None and state.disabled, is_last, ref.name),
            ),
        )

    def _forget_version(self, record: VersionRecord, words: str) -> str | None:
        ref, fallback = record.ref, None
        if record.active:
            fallback = self._fallback(ref)
            self._make_active(ref.name, fallback, ActivationCause.FALLBACK, words)
        self.database.execute("DELETE FROM versions WHERE name = ? AND version = ?", (ref.name, ref.version))
        if not self._installed(ref.name):
            self.database.execute("DELETE FROM plugins WHERE name = ?", (ref.name,))
            self.database.execute("DELETE FROM grants WHERE name = ?", (ref.name,))
        return fallback.ref.version if fallback else None

    def _take_from_trash(self, record: VersionRecord, origin: Origin | None) -> bool:
        """What was deleted of this version is not deleted any more. Within the transaction that installs it.

        Where it is that very install, it gets back what its plugin had: whether it was disabled, where the plugin is
        gone otherwise, and its grants, where nothing was installed under its name since and none were given.

        :returns: whether it is that very install.
        """
        row, ref = self._deleted_row(record.ref), record.ref
        self.database.execute("DELETE FROM deleted WHERE name = ? AND version = ?", (ref.name, ref.version))
        restored = row is not None and row["install_id"] == record.install_id
        disabled = row is not None and restored and bool(row["disabled"])
        self.database.execute(
            "INSERT INTO plugins (name, disabled) VALUES (?, ?) ON CONFLICT DO NOTHING", (ref.name, disabled)
        )
        if row is not None and restored:
            self._restore_grants(row)
            self._write_event(ref.name, ref.version, EventKind.RESTORED, origin=origin)
        return restored

    def _restore_grants(self, row: Row) -> None:
        self.database.execute(
            "INSERT INTO grants (name, revision, grants) SELECT name, (SELECT generation + 1 FROM state), grants "
            "FROM (SELECT ?1 AS name, ?2 AS grants) WHERE grants IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM versions WHERE name = ?1 AND installed_at >= ?3) "
            "ON CONFLICT DO NOTHING",
            (row["name"], row["grants"], row["deleted_at"]),
        )


def _deleted(row: Row) -> Deleted:
    record = msgspec.json.decode(row["record"], type=VersionRecord)
    return Deleted(record, bool(row["was_active"]), row["expires_at"] <= utc_now())


def _deleted_version(row: Row) -> DeletedVersion:
    record = msgspec.json.decode(row["record"], type=VersionRecord)
    return DeletedVersion(
        ref=record.ref,
        install_id=record.install_id,
        deleted_at=row["deleted_at"],
        expires_at=row["expires_at"],
        was_active=bool(row["was_active"]),
        size_bytes=record.size_bytes,
        description=record.report.metadata.description,
    )
