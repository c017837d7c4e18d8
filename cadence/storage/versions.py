"""The index of what is installed and what is active, as it is read."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct
from packaging.version import Version

from cadence.model import PluginRef, TrialReport, VersionRecord
from cadence.storage.database import Row
from cadence.storage.generation import GenerationIndex

_SELECT = """
    SELECT v.*, p.active_version IS v.version AS active, ifnull(g.revision, 0) AS grants_revision,
        CASE WHEN p.active_version IS v.version THEN p.activated_at END AS activated_at
    FROM versions AS v LEFT JOIN plugins AS p USING (name) LEFT JOIN grants AS g USING (name)"""


class ActiveInstall(Struct, frozen=True):
    """The least that tells whether a worker is still the right one."""

    version: str
    install_id: str
    grants_revision: int = 0


def highest(versions: Iterable[str]) -> str | None:
    """The highest of some versions as ``packaging.version`` orders them, ``None`` of none."""
    return max(versions, key=Version, default=None)


class VersionIndex(GenerationIndex):
    """Every SQL statement that reads versions.

    Whoever changes what is installed of a plugin holds its :func:`~cadence.storage.locks.plugin_lock`.
    """

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

    def telling_versions(self, name: str) -> list[VersionRecord]:
        """The versions that tell how a plugin stands, the highest first: the active one, and those taken back.

        Where none is active these are all of them.
        """
        where = "v.name = ? AND (p.active_version IS NULL OR p.active_version = v.version OR v.quarantine IS NOT NULL)"
        rows = self.database.rows(f"{_SELECT} WHERE {where}", name)
        return sorted(map(_version_record, rows), key=lambda record: Version(record.ref.version), reverse=True)

    def version(self, ref: PluginRef) -> VersionRecord | None:
        """One installed version, or ``None``."""
        row = self.database.row(f"{_SELECT} WHERE v.name = ? AND v.version = ?", ref.name, ref.version)
        return _version_record(row) if row else None

    def active(self) -> dict[str, VersionRecord]:
        """What should be live: the active version of each plugin that has one and is not disabled, by name."""
        rows = self.database.rows(f"{_SELECT} WHERE p.active_version = v.version AND NOT p.disabled ORDER BY v.name")
        return {row["name"]: _version_record(row) for row in rows}

    def active_of(self, name: str) -> VersionRecord | None:
        """What should be live of one plugin: as :meth:`active`, and ``None`` where nothing should."""
        where = "v.name = ? AND p.active_version = v.version AND NOT p.disabled"
        row = self.database.row(f"{_SELECT} WHERE {where}", name)
        return _version_record(row) if row else None

    def active_installs(self) -> dict[str, ActiveInstall]:
        """As :meth:`active`, without the reports: cheap enough to ask after each change, with 1,000 plugins too."""
        rows = self.database.execute("""
            SELECT v.name, v.version, v.install_id, ifnull(g.revision, 0)
            FROM plugins AS p JOIN versions AS v ON v.name = p.name AND v.version = p.active_version
                LEFT JOIN grants AS g ON g.name = p.name
            WHERE NOT p.disabled""")
        return {name: ActiveInstall(*rest) for name, *rest in rows.fetchall()}

    def environments(self) -> set[str]:
        """The keys of the environments that some version needs.

        One that is about to be published is among them, and one that was deleted and can be brought back.
        """
        rows = self.database.rows("""
            SELECT environment FROM versions UNION SELECT environment FROM deleted
            UNION SELECT json_extract(record, '$.environment') FROM pending""")
        return {row["environment"] for row in rows if row["environment"] is not None}

    def _active_version(self, name: str) -> str | None:
        row = self.database.row("SELECT active_version FROM plugins WHERE name = ?", name)
        return row["active_version"] if row else None

    def _installed(self, name: str) -> set[str]:
        return {row["version"] for row in self.database.rows("SELECT version FROM versions WHERE name = ?", name)}

    def _good(self, name: str) -> set[str]:
        """The installed versions that were not taken back."""
        rows = self.database.rows("SELECT version FROM versions WHERE name = ? AND quarantine IS NULL", name)
        return {row["version"] for row in rows}


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
        activated_at=row["activated_at"],
        quarantine=row["quarantine"],
    )


def json_text(value: object) -> str:
    """A value as the index keeps it."""
    return msgspec.json.encode(value).decode()
