"""The index of what is installed: versions, which of them are active, and what the files still have to follow."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct
from packaging.version import Version
from sqlite_utils import Database

from cadence.errors import NotFound, ValidationFailed
from cadence.model import Fault, PluginRef, TrialReport, VersionRecord
from cadence.storage.database import Connections, Row

_SELECT = """
    SELECT v.*, p.active_version IS v.version AS active, ifnull(g.revision, 0) AS grants_revision
    FROM versions AS v LEFT JOIN plugins AS p USING (name) LEFT JOIN grants AS g USING (name)"""


class Publication(Struct, frozen=True):
    """What the commit of a version decided.

    ``previous_version`` is the one that was active before, ``None`` where none was; ``activated`` says whether this
    one takes its place, ``replaced`` whether the same version was installed before.
    """

    previous_version: str | None
    activated: bool
    replaced: bool


class PendingChange(Struct, frozen=True):
    """A change that is decided, and whose files may not have followed. Without a ``record`` it is a removal."""

    ref: PluginRef
    record: VersionRecord | None = None


class ActiveInstall(Struct, frozen=True):
    """The least that tells whether a worker is still the right one."""

    version: str
    install_id: str


def highest(versions: Iterable[str]) -> str | None:
    """The highest of some versions as ``packaging.version`` orders them, ``None`` of none."""
    return max(versions, key=Version, default=None)


class VersionIndex(Connections):
    """Every SQL statement about versions, plugins and the generation.

    Whoever changes a plugin holds its :func:`~cadence.storage.locks.plugin_lock`.
    """

    def generation(self) -> int:
        """The number that rises with every change of what should be live. Some 5 µs: meant to be polled.

        (``PRAGMA data_version`` would cost the same and does not see the changes of its own connection.)
        """
        return self._state("generation")

    def reload_generation(self) -> int:
        """The generation at which a reload of everything was last asked for; 0 when it never was."""
        return self._state("reload_generation")

    def raise_generation(self) -> int:
        """Have every server look at what should be live, and give the new generation. Within a transaction."""
        _raise_generation(self.database)
        return self.generation()

    def request_reload(self) -> int:
        """Ask every server to load all plugins anew. Returns the generation that stands for the request."""
        with self.database.atomic() as db:
            _raise_generation(db)
            db.execute("UPDATE state SET reload_generation = generation")
            return self.generation()

    def versions(self) -> list[VersionRecord]:
        """Every installed version, by name, the highest version of each first."""
        records = [_version_record(row) for row in self.database.rows(_SELECT)]
        records.sort(key=lambda record: Version(record.ref.version), reverse=True)
        records.sort(key=lambda record: record.ref.name)
        return records

    def versions_of(self, name: str) -> list[VersionRecord]:
        """The installed versions of one plugin, the highest first; empty when there is no such plugin."""
        rows = self.database.rows(f"{_SELECT} WHERE v.name = ?", name)
        return sorted(map(_version_record, rows), key=lambda record: Version(record.ref.version), reverse=True)

    def version(self, ref: PluginRef) -> VersionRecord | None:
        """One installed version, or ``None``."""
        row = self.database.row(f"{_SELECT} WHERE v.name = ? AND v.version = ?", ref.name, ref.version)
        return _version_record(row) if row else None

    def active(self) -> dict[str, VersionRecord]:
        """What should be live: the active version of each plugin that has one, by the plugin's name."""
        rows = self.database.rows(f"{_SELECT} WHERE p.active_version = v.version ORDER BY v.name")
        return {row["name"]: _version_record(row) for row in rows}

    def active_installs(self) -> dict[str, ActiveInstall]:
        """As :meth:`active`, without the reports: cheap enough to ask after each change, with 1,000 plugins too."""
        rows = self.database.execute("""
            SELECT v.name, v.version, v.install_id
            FROM plugins AS p JOIN versions AS v ON v.name = p.name AND v.version = p.active_version""")
        return {name: ActiveInstall(version, install_id) for name, version, install_id in rows.fetchall()}

    def environments(self) -> set[str]:
        """The keys of the environments that some version needs, one that is about to be published included."""
        rows = self.database.rows("SELECT environment FROM versions WHERE environment IS NOT NULL")
        needed = {row["environment"] for row in rows}
        for change in self.pending_changes():
            if change.record is not None and change.record.environment is not None:
                needed.add(change.record.environment)
        return needed

    def commit_version(self, record: VersionRecord, activate: bool | None = None) -> Publication:
        """Decide that a version is installed: the commit point of an install.

        From here on it is completed, by :meth:`mark_published` or else by the recovery of the next start, unless
        :meth:`abandon_publication` takes it back. Until it is published everybody still sees what was there
        before. The archive must be safely on the disk before this is called.

        :param record: what is installed; its ``active`` is not looked at.
        :param activate: whether it becomes active; ``None`` means: when no higher version is installed. A version
            that replaces the active one stays active in any case.
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

    def _decide(self, ref: PluginRef, activate: bool | None) -> bool:
        if activate is None:
            activate = highest({*self._installed(ref.name), ref.version}) == ref.version
        return activate or self._active_version(ref.name) == ref.version

    def mark_published(self, ref: PluginRef, install_id: str) -> None:
        """Show a committed version whose files are in place to everybody, and raise the generation.

        :raises NotFound: when this install has no commit that waits for it.
        """
        with self.database.atomic() as db:
            row = self._pending_row(ref, install_id)
            self._upsert_version(msgspec.json.decode(row["record"], type=VersionRecord))
            db.execute("INSERT INTO plugins (name) VALUES (?) ON CONFLICT DO NOTHING", (ref.name,))
            if row["activate"]:
                self._set_active(ref, row["metadata_name"])
            self._forget_pending(ref)
            _raise_generation(db)

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

    def activate(self, name: str, version: str) -> str | None:
        """Make an installed version the active one, and raise the generation.

        :return: the version that was active before, ``None`` where none was.
        :raises NotFound: when it is not installed.
        :raises ValidationFailed: when another active plugin has the same metadata name.
        """
        ref = PluginRef(name, version)
        with self.database.atomic() as db:
            record = self.version(ref)
            if record is None:
                raise NotFound(f"{name} {version} is not installed.", ref=ref)
            previous = self._active_version(name)
            metadata_name = record.report.metadata.name
            self._require_free_metadata_name(ref, metadata_name)
            self._set_active(ref, metadata_name)
            _raise_generation(db)
        return previous

    def remove(self, ref: PluginRef) -> str | None:
        """Take a version out, and raise the generation. Its files follow, by recovery if need be.

        In place of an active version the highest of the remaining ones becomes active whose metadata name no other
        plugin has taken meanwhile.

        :return: the version that became active in its place; ``None`` where it was not active or none is left.
        :raises NotFound: when it is not installed.
        """
        with self.database.atomic() as db:
            if ref.version not in self._installed(ref.name):
                raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)
            fallback = self._forget_version(ref)
            db.execute(
                "INSERT OR REPLACE INTO pending (name, version, change) VALUES (?, ?, 'remove')",
                (ref.name, ref.version),
            )
            _raise_generation(db)
        return fallback

    def mark_removed(self, ref: PluginRef) -> None:
        """Say that the files of a removed version are gone."""
        with self.database.progress() as db:
            db.execute(
                "DELETE FROM pending WHERE name = ? AND version = ? AND change = 'remove'", (ref.name, ref.version)
            )

    def forget(self, ref: PluginRef) -> str | None:
        """As :meth:`remove`, for a version whose files are lost: nothing has to follow."""
        with self.database.atomic() as db:
            fallback = self._forget_version(ref)
            _raise_generation(db)
        return fallback

    def _state(self, column: str) -> int:
        (number,) = self.database.conn.execute(f"SELECT {column} FROM state").fetchone()  # noqa: S608 - a literal
        return int(number)

    def _active_version(self, name: str) -> str | None:
        row = self.database.row("SELECT active_version FROM plugins WHERE name = ?", name)
        return row["active_version"] if row else None

    def _installed(self, name: str) -> set[str]:
        return {row["version"] for row in self.database.rows("SELECT version FROM versions WHERE name = ?", name)}

    def _metadata_name_holder(self, name: str, metadata_name: str) -> str | None:
        """The other plugin that is, or is about to be, active under a metadata name."""
        row = self.database.row(
            "SELECT name FROM plugins WHERE metadata_name = ?1 AND name != ?2 UNION ALL "
            "SELECT name FROM pending WHERE activate AND metadata_name = ?1 AND name != ?2",
            metadata_name,
            name,
        )
        return row["name"] if row else None

    def _require_free_metadata_name(self, ref: PluginRef, metadata_name: str) -> None:
        if (other := self._metadata_name_holder(ref.name, metadata_name)) is None:
            return
        sentence = (
            f"Its metadata has the name {metadata_name!r}, under which the plugin {other} is active already. "
            f"Choose another name in PluginMetadata, or delete {other} first."
        )
        raise ValidationFailed(ref=ref, faults=[Fault("publish", "metadata_name_taken", sentence, other)])

    def _write_pending(self, record: VersionRecord, activate: bool) -> None:
        values = (record.ref.name, record.ref.version, record.install_id, _json(record), activate)
        self.database.execute(
            "INSERT OR REPLACE INTO pending (name, version, change, install_id, record, activate, metadata_name) "
            "VALUES (?, ?, 'publish', ?, ?, ?, ?)",
            (*values, record.report.metadata.name),
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
                dependencies_installed, report, isolated)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                install_id = excluded.install_id, sha256 = excluded.sha256, size_bytes = excluded.size_bytes,
                installed_at = excluded.installed_at, source = excluded.source, environment = excluded.environment,
                dependencies_installed = excluded.dependencies_installed, report = excluded.report,
                isolated = excluded.isolated
            """,
            (
                *(record.ref.name, record.ref.version, record.install_id, record.sha256, record.size_bytes),
                *(record.installed_at, record.source, record.environment),
                *(_json(record.dependencies_installed), _json(record.report), record.isolated),
            ),
        )

    def _set_active(self, ref: PluginRef, metadata_name: str) -> None:
        self.database.execute(
            "UPDATE plugins SET active_version = ?, metadata_name = ? WHERE name = ?",
            (ref.version, metadata_name, ref.name),
        )

    def _forget_version(self, ref: PluginRef) -> str | None:
        was_active = self._active_version(ref.name) == ref.version
        if was_active:
            self.database.execute(
                "UPDATE plugins SET active_version = NULL, metadata_name = NULL WHERE name = ?", (ref.name,)
            )
        self.database.execute("DELETE FROM versions WHERE name = ? AND version = ?", (ref.name, ref.version))
        remaining = self.versions_of(ref.name)
        if not remaining:
            self.database.execute("DELETE FROM plugins WHERE name = ?", (ref.name,))
            self.database.execute("DELETE FROM grants WHERE name = ?", (ref.name,))
        return self._fall_back(remaining) if was_active else None

    def _fall_back(self, remaining: list[VersionRecord]) -> str | None:
        for record in remaining:
            metadata_name = record.report.metadata.name
            if self._metadata_name_holder(record.ref.name, metadata_name) is None:
                self._set_active(record.ref, metadata_name)
                return record.ref.version
        return None


def _raise_generation(db: Database) -> None:
    db.execute("UPDATE state SET generation = generation + 1")


def _version_record(row: Row) -> VersionRecord:
    return VersionRecord(
        ref=PluginRef(row["name"], row["version"]),
        install_id=row["install_id"],
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        installed_at=row["installed_at"],
        source=row["source"],
        active=bool(row["active"]),
        report=msgspec.json.decode(row["report"], type=TrialReport),
        environment=row["environment"],
        dependencies_installed=msgspec.json.decode(row["dependencies_installed"], type=tuple[str, ...]),
        grants_revision=row["grants_revision"],
        isolated=bool(row["isolated"]),
    )


def _pending_change(row: Row) -> PendingChange:
    record = row["record"] and msgspec.json.decode(row["record"], type=VersionRecord)
    return PendingChange(PluginRef(row["name"], row["version"]), record)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
