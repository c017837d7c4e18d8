"""The parts of one Cadence process, put together from its settings: what web pages and command line work with.

Opening costs a few milliseconds and starts nothing, so that a command that only lists does no more than that.
Starting makes this process an owner, recovers what an earlier one left half done, and readies the runtime.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable
from importlib.metadata import version as distribution_version
from multiprocessing.util import Finalize
from pathlib import Path

from cadence.adoption import Adopter
from cadence.config import SandboxMode, Settings
from cadence.dependencies.building import Workshop
from cadence.dependencies.environment import EnvironmentMissing, Environments
from cadence.dependencies.installation import Dependencies
from cadence.errors import ConfigurationError, PluginUnavailable
from cadence.examination import Examiner
from cadence.granting import Granter
from cadence.housekeeping import Housekeeper
from cadence.installer import Installer
from cadence.intake.archive import extract
from cadence.intake.limits import ArchiveLimits
from cadence.intake.upload import UploadFile
from cadence.model import Endpoint, PluginRef, Upload, VersionRecord
from cadence.reconciler import Reconciler
from cadence.runtime.gateway import Gateway
from cadence.runtime.launcher import Launch, Launcher
from cadence.runtime.live_set import LiveSet
from cadence.runtime.logs import Logs
from cadence.runtime.notification import receive_listener
from cadence.runtime.supervisor import Supervisor
from cadence.runtime.zygote import Zygote
from cadence.sandbox import Sandbox, SandboxProbe, at_first
from cadence.storage.folders import PASSAGE, PRIVATE, make_folder
from cadence.storage.index import Index
from cadence.storage.owners import Owner, is_alive
from cadence.storage.recovery import recover
from cadence.storage.store import Store
from cadence.storage.tree import file_digest, remove_tree
from cadence_sdk._runtime.report import Layer

log = logging.getLogger(__name__)


class Parts:
    """Index and store, there at once, and the runtime, there once :meth:`start` was called.

    :param zygote: one that is used but not ended, so that several applications in one process can share it; by default
        an own one.
    """

    def __init__(self, settings: Settings, zygote: Zygote | None = None) -> None:
        self.settings = settings
        self._zygote = zygote
        self.version = distribution_version("cadence")
        _require_folders(settings)
        self.index = Index.open(settings.instance / "index.db")
        self.store = Store(settings.plugin_dir, settings.archive_dir)
        self.environments = Environments(settings.instance / "environments")
        self._starting = threading.Lock()
        self._running: Running | None = None

    @property
    def serving(self) -> "Running":
        """The runtime of a server process; starts it with the first request where ``flask serve`` has not."""
        return self._running or self.start(serve=True)

    @property
    def sandbox(self) -> Sandbox | None:
        """How plugins are confined here, None while that is not known yet. Asking starts nothing."""
        return self._running.sandbox.known if self._running else at_first(self.settings.sandbox)

    def start(self, *, serve: bool = False, announce: Callable[[str], None] = lambda _: None) -> "Running":
        """Start the runtime, once; a second call returns the same.

        :param serve: whether this process is a server, which keeps every active plugin live and answers for itself
            in the index; the command line only borrows the runtime.
        :param announce: is given a line about the sandbox once a server knows it.
        """
        with self._starting:
            if self._running is None:
                running = Running(self.settings, self.index, self.store, self.environments, self._zygote)
                if serve:
                    running.serve(announce)
                self._running = running
                # Unlike what atexit has, this is run in a forked server process too (granian's are).
                Finalize(None, self.close, exitpriority=10)
            return self._running

    def close(self) -> None:
        """End everything that was started and close the index. Calls in flight get a short while to finish."""
        with self._starting:
            if self._running is not None:
                self._running.close()
                self._running = None
        self.index.close()

    def servers(self) -> dict[str, int]:
        """The server processes that are alive: process id by server id."""
        return {s.id: s.pid for s in self.index.servers() if is_alive(self.settings.instance, s.id)}


def _require_folders(settings: Settings) -> None:
    """Make the folders that are set. One that was there keeps its mode, but for those in the instance, which are ours.

    :raises ConfigurationError: in one sentence that names the variable, where one cannot be used.
    """
    folders = {
        "CADENCE_INSTANCE": (settings.instance, PASSAGE),
        "CADENCE_STORE_PLUGIN": (settings.plugin_dir, PRIVATE),
        "CADENCE_STORE_ARCHIVED": (settings.archive_dir, PRIVATE),
    }
    for variable, (folder, mode) in folders.items():
        try:
            if settings.instance in folder.parents or not folder.is_dir():
                make_folder(folder, mode)
        except OSError as error:
            raise ConfigurationError(f"{variable} {folder} cannot be used as a folder: {error.strerror}.") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigurationError(f"{variable} {folder} cannot be written to by this user.")


class Running:
    """What runs in this process: zygote, workers, live set, installer."""

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
        self.logs = Logs(settings.max_log_bytes, settings.max_log_bytes_per_second)
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
        self.live_set = LiveSet(
            self._launcher, self.supervisor, self._launch_of, settings.load_seconds, settings.limits
        )
        self.examiner = Examiner(
            self.live_set,
            self._dependencies(),
            distribution_version("cadence-sdk"),
            self._run_dir,
            index.granted,
            settings.limits,
        )
        self.granter = Granter(index, self.live_set, self._launch_of, settings.limits)
        self.installer = self._installer()
        self.adopter = Adopter(index, store, self.live_set, self.examiner)
        adopt = self.adopter.adopt_folders if settings.enable_directory_plugins else list
        self.reconciler = Reconciler(index, self.live_set, self._owner.id, adopt)

    def serve(self, announce: Callable[[str], None]) -> None:
        """Be a server process: keep every active plugin live. The zygote warms up meanwhile."""
        self._serves = True
        self.supervisor.soon(lambda: self.sandbox.report(announce))
        self._index.register_server(self._owner.id, os.getpid())
        self.housekeeper.request()
        self.reconciler.start()

    def receive(self) -> UploadFile:
        """A file for an upload that is about to come, where it can be renamed into the archive later."""
        self._upload_dir.mkdir(parents=True, exist_ok=True)
        return UploadFile(self._upload_dir, self._settings.max_upload_bytes)

    def scratch_dir(self) -> Path:
        """A folder of this process that goes with it."""
        return self._run_dir

    def close(self) -> None:
        """End it all: no process and no file of this process is left."""
        self.reconciler.ask_to_stop()
        self.installer.cancel_all()
        self.live_set.close()
        # Those that are still loading too, so nothing below has to wait for a plugin.
        self._launcher.close()
        self.gateway.close()
        if self._owns_zygote:
            self.zygote.stop()
        self.bare_zygote.stop()
        self.reconciler.stop()
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
            admit=self.sandbox.admit,
            gateway=self.gateway,
            keep=self._keep,
        )

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
            owner_id=self._owner.id,
            max_concurrent=self._settings.max_concurrent_installs,
            rebuild=self._rebuild,
            tidy=self.housekeeper.request,
        )

    def _launch_of(self, record: VersionRecord) -> Launch:
        environment = self.environments.path(record.environment) if record.environment else None
        granted = self._index.granted(record.ref.name)
        return Launch(record.ref, self._store.folder(record.ref), environment, record.isolated, granted=granted)

    def _rebuild(self, archive: Path, ref: PluginRef, destination: Path) -> None:
        upload = Upload(str(archive), f"{ref.slug}.zip", file_digest(archive), archive.stat().st_size)
        extract(upload, destination, self._limits)
