"""An instance for tests: an index and a store in one folder, real archives, and what must hold between them."""

import secrets
import sqlite3
import zipfile
from pathlib import Path

from cadence.model import (
    HealthReport,
    InstallRecord,
    InstallState,
    Metadata,
    PluginRef,
    TrialReport,
    VersionRecord,
)
from cadence.storage.commits import Publication
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from cadence.storage.locks import plugin_lock
from cadence.storage.publication import adopt_version, publish_version, remove_version
from cadence.storage.recovery import RecoveryReport, recover, settle_plugin
from cadence.storage.staging import Staging
from cadence.storage.store import Store
from cadence.storage.tree import file_digest

FILES = ("__init__.py", "plugin.py", "agent.py", "tools.py", "pyproject.toml", "docs/README.md")


def unpack(archive: Path, ref: PluginRef, destination: Path) -> None:
    """The stand-in for what intake does."""
    destination.mkdir()
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(destination)


def report_of(ref: PluginRef, metadata_name: str | None = None) -> TrialReport:
    metadata = Metadata(name=metadata_name or ref.name, version=ref.version, description="for tests")
    return TrialReport(metadata=metadata, tools=(), parallel_tool_calls=True, health=HealthReport(healthy=True))


def record_of(
    ref: PluginRef,
    install_id: str = "i1",
    *,
    sha256: str = "0" * 64,
    metadata_name: str | None = None,
    source: str = "upload",
    environment: str | None = None,
) -> VersionRecord:
    return VersionRecord(
        ref=ref,
        install_id=install_id,
        sha256=sha256,
        size_bytes=1,
        installed_at=utc_now(),
        source=source,
        active=False,
        report=report_of(ref, metadata_name),
        environment=environment,
    )


class House:
    """One instance in ``root``. ``open`` it again to see it as another process would."""

    def __init__(self, root: Path, owner: str = "nobody") -> None:
        self.root = root
        self.owner = owner
        self.index = Index.open(root / "index.db")
        self.store = Store(root / "store_plugin", root / "store_archived")

    def close(self) -> None:
        self.index.close()

    def begin(self, ref: PluginRef, content: str) -> Staging:
        """An install up to its publication."""
        install_id = f"install-{secrets.token_hex(4)}"
        record = InstallRecord(install_id, f"{ref.slug}.zip", InstallState.RUNNING, utc_now(), ref.name, ref.version)
        self.index.start_install(record, self.owner)
        staging = self.store.stage(install_id)
        with zipfile.ZipFile(staging.upload, "w") as zipped:
            for name in FILES:
                zipped.writestr(name, f"{name}: {content}\n")
        unpack(staging.upload, ref, staging.tree)
        return staging

    def publish(
        self,
        ref: PluginRef,
        staging: Staging,
        activate: bool | None = None,
        metadata_name: str | None = None,
    ) -> Publication:
        record = record_of(ref, staging.install_id, sha256=file_digest(staging.upload), metadata_name=metadata_name)
        try:
            return publish_version(self.index, self.store, staging, record, activate)
        finally:
            staging.discard()
            self.index.finish_install(staging.install_id, InstallState.SUCCEEDED, 201, {})

    def install(
        self,
        name: str,
        version: str,
        content: str = "first",
        activate: bool | None = None,
        metadata_name: str | None = None,
    ) -> Publication:
        """The whole way of an install, as the installer goes it."""
        ref = PluginRef(name, version)
        with plugin_lock(self.root, name):
            settle_plugin(self.index, self.store, unpack, name)
            return self.publish(ref, self.begin(ref, content), activate, metadata_name)

    def remove(self, name: str, version: str, retention_days: int = 0) -> str | None:
        with plugin_lock(self.root, name):
            settle_plugin(self.index, self.store, unpack, name)
            return remove_version(self.index, self.store, PluginRef(name, version), retention_days)

    def put_by_hand(self, ref: PluginRef, content: str) -> None:
        """A folder in the store, and in the index, that came without an archive."""
        folder = self.store.folder(ref)
        self.store.archive_dir.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{name}: {content}\n")
        record = record_of(ref, f"hand-{secrets.token_hex(4)}", source="directory")
        with plugin_lock(self.root, ref.name):
            adopt_version(self.index, self.store, record)

    def recover(self) -> RecoveryReport:
        return recover(self.index, self.store, unpack)

    def content(self, name: str, version: str) -> str | None:
        """What a version was made of, read from its folder; ``None`` where there is none. It must be whole."""
        return folder_content(self.store.folder(PluginRef(name, version)))

    def check(self) -> None:
        """What must hold whenever nobody is at work: index, folders and archives agree, and nothing is left over."""
        records = {record.ref.slug: record for record in self.index.versions()}
        uploaded = {slug: record for slug, record in records.items() if record.source == "upload"}
        assert self.store.folders() == set(records)
        assert self.store.archives() == set(uploaded)
        assert self.store.stagings() == set()
        assert self.store.deleted_ids() == set(self.index.deleted_installs())
        assert self.index.pending_changes() == []
        for record in uploaded.values():
            archive = self.store.archive(record.ref)
            assert file_digest(archive) == record.sha256
            with zipfile.ZipFile(archive) as zipped:
                archived = zipped.read("plugin.py").decode()
            assert archived == f"plugin.py: {self.content(record.ref.name, record.ref.version)}\n"
        self._check_decisions()
        metadata_names = [record.report.metadata.name for record in self.index.active().values()]
        assert len(metadata_names) == len(set(metadata_names))
        with sqlite3.connect(self.root / "index.db") as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()

    def _check_decisions(self) -> None:
        for name, state in self.index.plugin_states().items():
            latest = self.index.activations(name, 1)
            assert (latest[0].version if latest else None) == state.active_version
            assert not (state.pinned and state.active_version is None)
            active = [record for record in self.index.versions_of(name) if record.active]
            assert [record.ref.version for record in active] == [
                version for version in [state.active_version] if version
            ]
            assert all(record.quarantine is None for record in active)


def folder_content(folder: Path) -> str | None:
    if not folder.exists():
        return None
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert set(found) == set(FILES)
    contents = {text.removeprefix(f"{name}: ").strip() for name, text in found.items()}
    assert len(contents) == 1, f"a mixed folder: {contents}"
    return contents.pop()
