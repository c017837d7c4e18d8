"""What runs in one Cadence process: zygote, workers, live set, installer, and what watches over them."""

import logging
import os
import socket
from collections.abc import Callable
from importlib.metadata import version as distribution_version
from pathlib import Path

from cadence.adoption import Adopter
from cadence.chat.conversations import Conversations
from cadence.config import MIB, SandboxMode, Settings
from cadence.confirmation import KeptArchives
from cadence.dependencies.building import Workshop
from cadence.dependencies.environment import EnvironmentMissing, Environments
from cadence.dependencies.installation import Dependencies
from cadence.errors import PluginUnavailable, SafeMode
from cadence.examination import Examiner
from cadence.granting import Granter
from cadence.guardian import Guardian
from cadence.housekeeping import Housekeeper
from cadence.installer import Installer
from cadence.intake.archive import extract
from cadence.intake.limits import ArchiveLimits
from cadence.intake.upload import UploadFile
from cadence.model import Endpoint, PluginRef, Upload, VersionRecord
from cadence.outside import Services
from cadence.reconciler import Reconciler
from cadence.removal import Remover
from cadence.runtime.checks import Checks
from cadence.runtime.gateway import Gateway
from cadence.runtime.health import Policy
from cadence.runtime.launcher import Launch, Launcher
from cadence.runtime.live_set import LiveSet
from cadence.runtime.log_files import LogFiles
from cadence.runtime.logs import Logs
from cadence.runtime.mender import Rules
from cadence.runtime.notification import receive_listener
from cadence.runtime.sleeping import Sleeper
from cadence.runtime.supervisor import Supervisor
from cadence.runtime.zygote import Zygote
from cadence.sandbox import SandboxProbe
from cadence.storage.folders import PASSAGE, make_folder
from cadence.storage.index import Index
from cadence.storage.owners import Owner, is_alive
from cadence.storage.recovery import recover
from cadence.storage.store import Store
from cadence.storage.tree import file_digest, remove_tree
from cadence.switching import Switcher
from cadence_sdk._runtime.report import Layer

log = logging.getLogger(__name__)


class Running:
    """What runs in this process.

    :param zygote: one that is used but not ended; by default an own one.
    """

    def __init__(
        self, settings: Settings, index: Index, store: Store, environments: Environments, zygote: Zygote | None
    ) -> None:
        self._settings = settings
        self._index = index
        self._store = store
        self._serves = False
        self._owner = Owner.acquire(settings.instance)
        self._limits = ArchiveLimits.from_settings(settings)
        self._sweep_after_the_dead()
        for folder in (self._run_dir.parent, self._run_dir, settings.instance / "data"):
            make_folder(folder, PASSAGE)
        self.recovery = recover(index, store, self._rebuild)
        self.supervisor = Supervisor()
        log_files = LogFiles(settings.instance / "logs", settings.max_log_bytes)
        self.logs = Logs(settings.max_log_bytes, settings.max_log_bytes_per_second, log_files)
        self.zygote = zygote or Zygote(confine=settings.sandbox is not SandboxMode.OFF)
        self._owns_zygote = zygote is None
        self.bare_zygote = Zygote(confine=self.zygote.confines, bare=True)
        self.sandbox = SandboxProbe(settings.sandbox, self._layers)
        self.environments = environments
        self.environments.recover()
        self.housekeeper = Housekeeper(environments, index, self.supervisor.soon)
        self.environments.on_release = self.housekeeper.request
        self.gateway = Gateway()
        self._launcher = self._make_launcher()
        self.live_set = self._make_live_set()
        services = Services(self.gateway, index.granted, settings.health_timeout_seconds)
        self.guardian = Guardian(index, self.live_set, services, settings.health_timeout_seconds)
        self.examiner = Examiner(
            self.live_set,
            self._dependencies(),
            distribution_version("cadence-sdk"),
            self._run_dir,
            index.granted,
            settings.limits,
        )
        self.switcher = Switcher(index, self.live_set, self._launch_of)
        self.remover = Remover(
            index,
            store,
            self.live_set,
            self._rebuild,
            settings.deleted_retention_days,
            self.housekeeper.request,
        )
        self.housekeeper.chores = (
            self.remover.purge,
            lambda: index.prune_history(settings.history_days),
            lambda: self.logs.tidy(self._known_names()),
        )
        self.granter = Granter(index, self.live_set, self._launch_of, settings.limits)
        self.installer = self._installer()
        self.adopter = Adopter(index, store, self.live_set, self.examiner)
        adopt = self.adopter.adopt_folders if settings.enable_directory_plugins else list
        self.reconciler = Reconciler(index, self.live_set, self._owner.id, adopt)
        self.conversations = Conversations(settings, index, self.live_set, self._owner.id)
        self._checks = self._make_checks()

    def serve(self, announce: Callable[[str], None]) -> None:
        """Be a server process: keep every active plugin live. The zygote warms up meanwhile."""
        self._serves = True
        self.supervisor.soon(lambda: self.sandbox.report(announce))
        self._index.register_server(self._owner.id, os.getpid())
        self._index.interrupt_turns()
        self.housekeeper.keep_on(self.supervisor.after)
        self.reconciler.start()
        memory_bytes = self._settings.max_workers_memory_mb * MIB
        Sleeper(self.live_set, self.supervisor, self._settings.idle_seconds, memory_bytes).start()
        self._checks.start()

    def expect_active(self) -> None:
        """Have every active plugin be there to be woken, in a process that is no server and follows no changes."""
        self.live_set.expect(self._index.active(), self._index.generation())

    def receive(self) -> UploadFile:
        """A file for an upload that is about to come, where it can be renamed into the archive later.

        :raises SafeMode: where nothing may be tried out.
        """
        self._require_no_safe_mode("No plugin is taken")
        self._upload_dir.mkdir(parents=True, exist_ok=True)
        return UploadFile(self._upload_dir, self._settings.max_upload_bytes)

    def scratch_dir(self) -> Path:
        """A folder of this process that goes with it."""
        return self._run_dir

    def close(self) -> None:
        """End it all: no process and no file of this process is left."""
        self.reconciler.ask_to_stop()
        self._checks.ask_to_stop()
        self.installer.cancel_all()
        self.conversations.close()
        self.live_set.close()
        # Those that are still loading too, so nothing below has to wait for a plugin.
        self._launcher.close()
        self.gateway.close()
        if self._owns_zygote:
            self.zygote.stop()
        self.bare_zygote.stop()
        self.reconciler.stop()
        self._checks.stop()
        self.installer.close()
        self.supervisor.stop()
        self.logs.close()
        if self._serves:
            self._index.unregister_server(self._owner.id)
        for folder in (self._run_dir, self._upload_dir):
            remove_tree(folder)
        self._owner.release()

    def _layers(self) -> tuple[Layer, ...]:
        """What there is to confine plugins; waits for the zygote to be warm."""
        return self.zygote.layers

    @property
    def _run_dir(self) -> Path:
        return self._settings.instance / "run" / self._owner.id

    @property
    def _upload_dir(self) -> Path:
        return self._settings.archive_dir / ".uploads" / self._owner.id

    def _sweep_after_the_dead(self) -> None:
        """Remove the private folders of processes that were killed."""
        for root in (self._run_dir.parent, self._upload_dir.parent):
            for folder in root.glob("*"):
                if not is_alive(self._settings.instance, folder.name):
                    remove_tree(folder)

    def _make_launcher(self) -> Launcher:
        return Launcher(
            self.zygote,
            self.bare_zygote,
            self.logs,
            run_dir=self._run_dir,
            data_dir=self._settings.instance / "data",
            snapshot=self._store.snapshot_of,
            remove=remove_tree,
            max_message_bytes=self._settings.max_message_bytes,
            in_background=self.supervisor.soon,
            limits=self._settings.limits,
            admit=self._admit,
            gateway=self.gateway,
            keep=self._keep,
        )

    def _make_live_set(self) -> LiveSet:
        settings = self._settings
        policy = Policy(ends=settings.probation_crashes, check_failures=settings.health_failures)
        rules = Rules(policy, settings.probation_seconds)
        launch = (self._launcher, self.supervisor, self._launch_of)
        return LiveSet(
            *launch,
            settings.load_seconds,
            settings.limits,
            rules,
            settings.max_live_workers,
            hold_seconds=settings.turn_seconds,
        )

    def _make_checks(self) -> Checks:
        def awake() -> list[str]:
            return [name for name, _ in self.live_set.idle_since()]

        return Checks(awake, self.guardian.check_scheduled, self._settings.health_interval_seconds)

    def _admit(self, ref: PluginRef) -> None:
        """Whether plugins may run here at all. Raises as said for the launcher."""
        self._require_no_safe_mode(f"{ref.name} does not run")
        self.sandbox.admit(ref)

    def _require_no_safe_mode(self, what: str) -> None:
        if self._settings.safe_mode:
            raise SafeMode(f"{what}: the server is in safe mode. Start it without CADENCE_SAFE_MODE to run plugins.")

    def _dependencies(self) -> Dependencies:
        return Dependencies(
            self.environments,
            self._index,
            idle_seconds=self._settings.dependency_idle_seconds,
            wheelhouse=self._settings.wheelhouse,
            offline=self._settings.offline,
            allow_sdist=self._settings.allow_sdist,
            workshop=self._workshop().workbench if self._settings.allow_sdist else None,
        )

    def _workshop(self) -> Workshop:
        """Where packages are built from source, in the folder of this process, which goes with it."""

        def attach(channel: socket.socket, endpoints: tuple[Endpoint, ...]) -> None:
            listener = receive_listener(channel, self._settings.load_seconds)
            self.gateway.attach(listener, endpoints, lambda words: log.info("A build from source: %s", words))

        return Workshop(self._run_dir / "builds", self._layers, attach)

    def _keep(self, environment: Path) -> Callable[[], None]:
        try:
            return self.environments.lease(environment).close
        except EnvironmentMissing:
            words = "The packages it needs were removed from this server. Upload the plugin again."
            raise PluginUnavailable(words) from None

    def _installer(self) -> Installer:
        return Installer(
            index=self._index,
            store=self._store,
            live_set=self.live_set,
            examiner=self.examiner,
            limits=self._limits,
            kept=KeptArchives(self._settings.kept_archive_seconds, self._settings.max_kept_archive_bytes),
            owner_id=self._owner.id,
            max_concurrent=self._settings.max_concurrent_installs,
            rebuild=self._rebuild,
            tidy=self.housekeeper.request,
        )

    def _known_names(self) -> set[str]:
        """The plugins that are installed, or were and can be brought back."""
        deleted = {version.ref.name for version in self._index.deleted_versions()}
        return deleted | self._index.plugin_states().keys()

    def _launch_of(self, record: VersionRecord) -> Launch:
        environment = self.environments.path(record.environment) if record.environment else None
        granted = self._index.granted(record.ref.name)
        return Launch(record.ref, self._store.folder(record.ref), environment, record.isolated, granted=granted)

    def _rebuild(self, archive: Path, ref: PluginRef, destination: Path) -> None:
        upload = Upload(str(archive), f"{ref.slug}.zip", file_digest(archive), archive.stat().st_size)
        extract(upload, destination, self._limits)
