"""The index of installs that are decided: committed first, and shown to everybody once their files are in place."""

import msgspec
from msgspec import Struct

from cadence.errors import NotFound
from cadence.history import ActivationCause, EventKind
from cadence.model import PluginRef, VersionRecord
from cadence.origin import Origin, OriginKind, current_origin
from cadence.storage.database import Row
from cadence.storage.trash import TrashIndex
from cadence.storage.versions import highest, json_text


class Publication(Struct, frozen=True):
    """What the commit of a version decided.

    ``previous_version`` is the one that was active before, ``None`` where none was; ``activated`` says whether this
    one takes its place, ``replaced`` whether the same version was installed before. ``disabled`` is whether its
    plugin is to answer to nobody all the same, ``generation`` the one since which all that holds, 0 before that.
    """

    previous_version: str | None
    activated: bool
    replaced: bool
    disabled: bool = False
    generation: int = 0


class PendingChange(Struct, frozen=True):
    """A change that is decided, and whose files may not have followed. Without a ``record`` it is a removal."""

    ref: PluginRef
    record: VersionRecord | None = None


class CommitIndex(TrashIndex):
    """Every SQL statement that installs a version."""

    def commit_version(self, record: VersionRecord, activate: bool | None = None) -> Publication:
        """Decide that a version is installed: the commit point of an install.

        From here on it is completed, by :meth:`mark_published` or else by the recovery of the next start, unless
        :meth:`abandon_publication` takes it back. Until it is published everybody still sees what was there
        before. The archive must be safely on the disk before this is called.

        :param record: what is installed; its ``active`` is not looked at.
        :param activate: whether it becomes active; ``None`` means: when no higher good version is installed and none
            is pinned. A version that replaces the active one stays active in any case.
        :raises ValidationFailed: when it would be active under the metadata name of another plugin.
        """
        ref = record.ref
        with self.database.atomic():
            previous = self._active_version(ref.name)
            installed = self._installed(ref.name)
            activate = self.would_activate(ref, activate, record.report.metadata.name)
            self._write_pending(record, activate)
        return Publication(previous_version=previous, activated=activate, replaced=ref.version in installed)

    def would_activate(self, ref: PluginRef, activate: bool | None, metadata_name: str | None) -> bool:
        """What :meth:`commit_version` would decide now; nothing is changed.

        :param metadata_name: the name in the metadata, None where that is not known.
        :raises ValidationFailed: when it would be active under the metadata name of another plugin.
        """
        activates = self._decide(ref, activate)
        if activates and metadata_name is not None:
            self._require_free_metadata_name(ref, metadata_name)
        return activates

    def mark_published(self, ref: PluginRef, install_id: str) -> Publication:
        """Show a committed version whose files are in place to everybody, and raise the generation.

        It takes the place of what was deleted of the same version, and is good, unless it is that very install.

        :returns: what was decided in the end: an operator may have had another word since the commit.
        :raises NotFound: when this install has no commit that waits for it.
        """
        with self.database.atomic():
            row = self._pending_row(ref, install_id)
            record = msgspec.json.decode(row["record"], type=VersionRecord)
            replaced = ref.version in self._installed(ref.name)
            self._upsert_version(record)
            origin = _origin(row)
            restored = self._take_from_trash(record, origin)
            cause = ActivationCause.RESTORE if restored else ActivationCause.INSTALL
            previous = self._active_version(ref.name)
            if row["activate"]:
                self._make_active(ref.name, record, cause, install_id=install_id, origin=origin)
            if not restored and (replaced or not row["activate"]):
                kind = EventKind.REPLACED if replaced else EventKind.INSTALLED
                self._write_event(ref.name, ref.version, kind, install_id=install_id, origin=origin)
            self._forget_pending(ref)
            generation = self.raise_generation()
            state = self.plugin_state(ref.name)
        disabled = state is not None and state.disabled
        return Publication(previous, bool(row["activate"]), replaced, disabled, generation)

    def abandon_publication(self, ref: PluginRef, install_id: str) -> None:
        """Take a commit back whose files were not, or cannot be, put in place.

        :raises NotFound: when this install has no commit that waits.
        """
        with self.database.atomic():
            self._pending_row(ref, install_id)
            self._forget_pending(ref)

    def pending_changes(self) -> list[PendingChange]:
        """What was committed or removed and whose files may not have followed."""
        return [_pending_change(row) for row in self.database.rows("SELECT * FROM pending ORDER BY rowid")]

    def pending_change(self, ref: PluginRef) -> PendingChange | None:
        """The change of one version that waits for its files, or ``None``."""
        row = self.database.row("SELECT * FROM pending WHERE name = ? AND version = ?", ref.name, ref.version)
        return _pending_change(row) if row else None

    def _decide(self, ref: PluginRef, activate: bool | None) -> bool:
        state = self.plugin_state(ref.name)
        if activate is None:
            pinned = state is not None and state.pinned
            activate = not pinned and highest({*self._good(ref.name), ref.version}) == ref.version
        return activate or (state is not None and state.active_version == ref.version)

    def _write_pending(self, record: VersionRecord, activate: bool) -> None:
        values = (record.ref.name, record.ref.version, record.install_id, json_text(record), activate)
        origin = current_origin()  # another process may have to complete it
        self.database.execute(
            "INSERT OR REPLACE INTO pending "
            "(name, version, change, install_id, record, activate, metadata_name, origin, client) "
            "VALUES (?, ?, 'publish', ?, ?, ?, ?, ?, ?)",
            (*values, record.report.metadata.name, origin.kind, origin.client),
        )

    def _pending_row(self, ref: PluginRef, install_id: str) -> Row:
        row = self.database.row(
            "SELECT * FROM pending WHERE name = ? AND version = ? AND install_id = ?", ref.name, ref.version, install_id
        )
        if row is None:
            raise NotFound(f"No committed install {install_id} of {ref.name} {ref.version} waits.", ref=ref)
        return row

    def _forget_pending(self, ref: PluginRef) -> None:
        self.database.execute("DELETE FROM pending WHERE name = ? AND version = ?", (ref.name, ref.version))

    def _upsert_version(self, record: VersionRecord) -> None:
        # An upsert and not a REPLACE, which would delete the row that plugins refers to.
        self.database.execute(
            """
            INSERT INTO versions (name, version, install_id, sha256, size_bytes, installed_at, source, environment,
                dependencies_installed, report, isolated, quarantine)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                install_id = excluded.install_id, sha256 = excluded.sha256, size_bytes = excluded.size_bytes,
                installed_at = excluded.installed_at, source = excluded.source, environment = excluded.environment,
                dependencies_installed = excluded.dependencies_installed, report = excluded.report,
                isolated = excluded.isolated, quarantine = excluded.quarantine
            """,
            (
                *(record.ref.name, record.ref.version, record.install_id, record.sha256, record.size_bytes),
                *(record.installed_at, record.source, record.environment),
                *(json_text(record.dependencies_installed), json_text(record.report)),
                *(record.isolated, record.quarantine),
            ),
        )


def _origin(row: Row) -> Origin | None:
    """On whose word it was committed; None where that was not kept, by a version before this one."""
    return Origin(OriginKind(row["origin"]), row["client"]) if row["origin"] else None


def _pending_change(row: Row) -> PendingChange:
    record = row["record"] and msgspec.json.decode(row["record"], type=VersionRecord)
    return PendingChange(PluginRef(row["name"], row["version"]), record)
