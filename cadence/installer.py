"""The pipeline of an install: the only module that knows the order of the stages.

upload → archive → exists → inspect → dependencies → trial in a worker → publish → activate. Whatever stops it on the
way leaves nothing behind, and the version that was live before goes on answering. The commit point is one transaction
of the index in ``publish``; an install that dies after it is completed at the next start.
"""

import logging
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import structs
from packaging.version import Version

from cadence.errors import CadenceError, Cancelled, NotFound, PluginExists, PluginUnavailable
from cadence.examination import Examiner
from cadence.intake.archive import extract
from cadence.intake.disk import full_disk_refused
from cadence.intake.filename import parse_filename
from cadence.intake.limits import ArchiveLimits
from cadence.model import (
    InstallOptions,
    InstallRecord,
    InstallResult,
    InstallState,
    PluginRef,
    Stage,
    Upload,
    VersionRecord,
)
from cadence.outcome import failure_json, success_json
from cadence.progress import Progress
from cadence.runtime.live_set import LiveSet
from cadence.runtime.worker import Worker
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from cadence.storage.locks import plugin_lock
from cadence.storage.owners import is_alive
from cadence.storage.publication import publish_version, remove_version
from cadence.storage.recovery import Rebuild, interrupted_outcome, settle_plugin
from cadence.storage.staging import Staging
from cadence.storage.store import Store
from cadence.storage.versions import Publication

log = logging.getLogger(__name__)

#: Installs that may wait for their turn in the background; each holds a thread but does no work.
_QUEUE_THREADS = 32
#: How long a shutdown waits for installs that are cancelled, in seconds.
_CLOSE_SECONDS = 10.0


class Installer:
    """Installs uploads, side by side where they are of different plugins, and takes versions out again.

    :param owner_id: what this process is called where several share an instance.
    :param max_concurrent: installs that run at once; others wait their turn.
    :param rebuild: unpacks the archive of a version that was accepted once, to finish what another process began.
    """

    def __init__(
        self,
        *,
        index: Index,
        store: Store,
        live_set: LiveSet,
        examiner: Examiner,
        limits: ArchiveLimits,
        owner_id: str,
        max_concurrent: int,
        rebuild: Rebuild,
    ) -> None:
        self._index = index
        self._store = store
        self._live_set = live_set
        self._examiner = examiner
        self._limits = limits
        self._owner_id = owner_id
        self._rebuild = rebuild
        self._turns = threading.BoundedSemaphore(max_concurrent)
        self._running: dict[str, Progress] = {}
        self._none_left = threading.Condition()
        self._queue = ThreadPoolExecutor(_QUEUE_THREADS, thread_name_prefix="install")

    def install(self, upload: Upload, options: InstallOptions) -> InstallResult:
        """Take an upload through all stages. Its file is consumed, whatever comes of it.

        :raises CadenceError: the one that says why it is refused; nothing of it is left then.
        """
        return self._run(self._begin(upload), upload, options)

    def submit(self, upload: Upload, options: InstallOptions) -> str:
        """As :meth:`install`, in the background. Returns the install's id, for :meth:`record`."""
        install_id = self._begin(upload)
        try:
            self._queue.submit(self._run_quietly, install_id, upload, options)
        except RuntimeError:  # the queue is shut down
            Path(upload.path).unlink(missing_ok=True)
            error = PluginUnavailable("The server is shutting down. Upload the plugin again.")
            progress = self._running[install_id]
            self._finish(install_id, InstallState.CANCELLED, error.status, failure_json(error), progress)
            raise error from None
        return install_id

    def delete(self, ref: PluginRef) -> str | None:
        """Take a version out: from what answers, from the index, the store and the archive.

        :returns: the version that answers in its place, None where there is none or it did not answer before.
        :raises NotFound: when it is not installed.
        """
        if self._index.version(ref) is None:  # before a lock is made for a name that no plugin can have
            raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)
        with plugin_lock(self._index.instance, ref.name), self._live_set.changing(ref.name):
            settle_plugin(self._index, self._store, self._rebuild, ref.name)
            fallback = remove_version(self._index, self._store, ref)
            generation = self._index.generation()
            remaining = self._index.active().get(ref.name)
            if remaining is None:
                self._live_set.remove(ref.name, generation)
        if remaining is not None:
            started = self._live_set.reconcile_one(remaining, generation)
            if started is not None and not started.loaded:
                self._live_set.abandon(remaining, generation, started.error or "")
        return fallback

    def record(self, install_id: str) -> InstallRecord | None:
        """One install as it stands: from memory while it runs here, else from the index."""
        record = self._index.install(install_id)
        progress = self._running.get(install_id)
        if record is None or record.state is not InstallState.RUNNING:
            return record
        if progress is not None:
            return structs.replace(record, stages=progress.stages)
        return self._of_another_process(record)

    def _of_another_process(self, record: InstallRecord) -> InstallRecord:
        """Where that process has died, the next start will say so in the index; whoever asks is told now."""
        owner = next((run.owner for run in self._index.running_installs() if run.id == record.id), None)
        if owner is None or is_alive(self._index.instance, owner):
            return record
        ref = next((one.ref for one in self._index.versions() if one.install_id == record.id), None)
        return structs.replace(record, state=InstallState.INTERRUPTED, status=500, outcome=interrupted_outcome(ref))

    def records(self, limit: int) -> list[InstallRecord]:
        """The latest installs, newest first."""
        return [self.record(record.id) or record for record in self._index.installs(limit)]

    def cancel_all(self) -> None:
        """Cancel what runs and what waits."""
        for progress in list(self._running.values()):
            progress.cancelled.set()

    def close(self) -> None:
        """Cancel what runs and wait for it to clean up."""
        self.cancel_all()
        self._queue.shutdown(wait=True, cancel_futures=False)
        with self._none_left:
            self._none_left.wait_for(lambda: not self._running, _CLOSE_SECONDS)

    def _begin(self, upload: Upload) -> str:
        install_id = secrets.token_hex(8)
        name, version = _claimed_name(upload.filename)
        record = InstallRecord(install_id, upload.filename, InstallState.RUNNING, utc_now(), name, version)
        try:
            self._index.start_install(record, self._owner_id)
        except BaseException:
            Path(upload.path).unlink(missing_ok=True)
            raise
        self._running[install_id] = Progress(upload.received_ms)
        return install_id

    def _run_quietly(self, install_id: str, upload: Upload, options: InstallOptions) -> None:
        try:
            self._run(install_id, upload, options)
        except CadenceError:
            pass  # kept with the install, where whoever follows it reads it
        except Exception:
            log.exception("install %s failed on an error of the server", install_id)

    def _run(self, install_id: str, upload: Upload, options: InstallOptions) -> InstallResult:
        progress = self._running[install_id]
        try:
            with full_disk_refused("install the plugin"):
                result = self._install(install_id, upload, options, progress)
        except CadenceError as failure:
            error = _really(failure, progress)
            state = InstallState.CANCELLED if isinstance(error, Cancelled) else InstallState.FAILED
            self._finish(install_id, state, error.status, failure_json(error), progress)
            if error is failure:
                raise
            raise error from failure
        except BaseException:
            unexpected = CadenceError("The server's log has the reason. Nothing of the upload was kept.")
            self._finish(install_id, InstallState.FAILED, 500, failure_json(unexpected), progress)
            raise
        status = 200 if result.replaced else 201
        self._finish(install_id, InstallState.SUCCEEDED, status, success_json(result), progress)
        return result

    def _finish(
        self, install_id: str, state: InstallState, status: int, outcome: dict[str, object], progress: Progress
    ) -> None:
        try:
            self._index.append_lines(install_id, progress.lines)
            self._index.finish_install(install_id, state, status, outcome, progress.stages)
        finally:
            with self._none_left:
                self._running.pop(install_id, None)
                self._none_left.notify_all()

    def _install(self, install_id: str, upload: Upload, options: InstallOptions, progress: Progress) -> InstallResult:
        with ExitStack() as stack:
            stack.callback(Path(upload.path).unlink, missing_ok=True)
            staging = self._store.stage(install_id)
            stack.callback(staging.discard)
            with progress.stage(Stage.ARCHIVE):
                ref = parse_filename(upload.filename)
            stack.enter_context(plugin_lock(self._index.instance, ref.name, cancel=progress.cancelled))
            stack.enter_context(self._turn(progress))
            with progress.stage(Stage.ARCHIVE):
                settle_plugin(self._index, self._store, self._rebuild, ref.name)
                Path(upload.path).rename(staging.upload)
                extract(structs.replace(upload, path=str(staging.upload)), staging.tree, self._limits)
                staging.begin_sync()  # the disk works while the plugin is tried out
            with progress.stage(Stage.EXISTS):
                self._refuse_existing(ref, options)
            examined = self._examiner.examine(ref, staging.tree, progress, stack, upgrade=options.upgrade)
            record = examined.record(install_id, "upload", upload.sha256, upload.size_bytes)
            with self._live_set.changing(ref.name):
                publication = self._publish(record, staging, progress, options)
                self._activate(record, examined.worker, publication, progress)
        return _result(record, examined.warnings, publication, str(self._store.folder(ref)), progress)

    def _refuse_existing(self, ref: PluginRef, options: InstallOptions) -> None:
        # A folder without a version may have been put there by hand a moment ago: it is not overwritten unasked.
        if not options.force_overwrite and self._store.folder(ref).exists():
            raise PluginExists("Use force_overwrite=true to replace", ref=ref)
        for record in self._index.versions_of(ref.name):
            if record.ref == ref and not options.force_overwrite:
                raise PluginExists("Use force_overwrite=true to replace", ref=ref)
            if record.ref != ref and Version(record.ref.version) == Version(ref.version):
                raise PluginExists(
                    f"Version {ref.version} is the same as {record.ref.version}, which is installed. "
                    f"Name the archive {record.ref.slug}.zip to replace it, or delete it first.",
                    ref=ref,
                )

    @contextmanager
    def _turn(self, progress: Progress) -> Iterator[None]:
        while not self._turns.acquire(timeout=0.1):
            if progress.cancelled.is_set():
                raise Cancelled("The install was cancelled while it waited for its turn.")
        try:
            yield
        finally:
            self._turns.release()

    def _publish(
        self, record: VersionRecord, staging: Staging, progress: Progress, options: InstallOptions
    ) -> Publication:
        with progress.stage(Stage.PUBLISH):
            return publish_version(self._index, self._store, staging, record, options.activate)

    def _activate(self, record: VersionRecord, worker: Worker, publication: Publication, progress: Progress) -> None:
        with progress.stage(Stage.ACTIVATE, cancellable=False):
            if publication.activated:
                self._live_set.swap(structs.replace(record, active=True), worker, self._index.generation())


def _really(failure: CadenceError, progress: Progress) -> CadenceError:
    """What failed because it was cancelled, such as a trial whose worker was killed, is not the plugin's fault."""
    if progress.cancelled.is_set() and not (isinstance(failure, Cancelled) and failure.sentences):
        return Cancelled("The install was cancelled; nothing of it is left.", ref=failure.ref)
    return failure


def _claimed_name(text: str) -> tuple[str | None, str | None]:
    try:
        ref = parse_filename(text)
    except CadenceError:
        return None, None
    return ref.name, ref.version


def _result(
    record: VersionRecord, warnings: tuple[str, ...], publication: Publication, folder: str, progress: Progress
) -> InstallResult:
    return InstallResult(
        ref=record.ref,
        install_id=record.install_id,
        extracted_to=folder,
        sha256=record.sha256,
        dependencies_installed=record.dependencies_installed,
        warnings=warnings,
        tools=tuple(tool.name for tool in record.report.tools),
        activated=publication.activated,
        replaced=publication.replaced,
        previous_version=publication.previous_version,
        stages=progress.stages,
    )
