"""The pipeline of an install: the only module that knows the order of the stages.

upload → archive → exists → inspect → dependencies → trial in a worker → publish → activate. Whatever stops it on the
way leaves nothing behind, and the version that was live before goes on answering. The commit point is one transaction
of the index in ``publish``; an install that dies after it is completed at the next start.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from msgspec import structs

from cadence.checking import Checker, is_installed
from cadence.confirmation import KeptArchives
from cadence.errors import CadenceError, Cancelled, PluginExists, PluginUnavailable, StorageFull
from cadence.examination import Examiner
from cadence.intake.archive import extract
from cadence.intake.disk import full_disk_refused
from cadence.intake.filename import parse_filename
from cadence.intake.limits import ArchiveLimits
from cadence.model import (
    CheckOptions,
    CheckResult,
    InstallKind,
    InstallOptions,
    InstallRecord,
    InstallResult,
    InstallState,
    Stage,
    Upload,
    VersionRecord,
)
from cadence.origin import handed_on
from cadence.outcome import failure_json, outcome_of
from cadence.progress import Progress
from cadence.runs import Runs
from cadence.runtime.live_set import LiveSet
from cadence.runtime.worker import Worker
from cadence.storage.commits import Publication
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from cadence.storage.installs import InstallLine
from cadence.storage.locks import plugin_lock
from cadence.storage.publication import publish_version
from cadence.storage.recovery import Rebuild, settle_plugin
from cadence.storage.staging import Staging
from cadence.storage.store import Store

log = logging.getLogger(__name__)

#: Installs that may wait for their turn in the background; each holds a thread but does no work.
_QUEUE_THREADS = 32
#: How long a shutdown waits for installs that are cancelled, in seconds.
_CLOSE_SECONDS = 10.0


class Installer:
    """Installs and checks uploads, side by side where they are of different plugins.

    :ivar kept: the archives that can be installed without being sent again. They are closed with it.
    :param owner_id: what this process is called where several share an instance.
    :param max_concurrent: installs that run at once; others wait their turn.
    :param rebuild: unpacks the archive of a version that was accepted once, to finish what another process began.
    :param tidy: is called when something may have become superfluous: a version was taken out, an install ended.
    """

    def __init__(
        self,
        *,
        index: Index,
        store: Store,
        live_set: LiveSet,
        examiner: Examiner,
        limits: ArchiveLimits,
        kept: KeptArchives,
        owner_id: str,
        max_concurrent: int,
        rebuild: Rebuild,
        tidy: Callable[[], object],
    ) -> None:
        self._index = index
        self._store = store
        self._live_set = live_set
        self._examiner = examiner
        self._limits = limits
        self._rebuild = rebuild
        self._tidy = tidy
        self._turns = threading.BoundedSemaphore(max_concurrent)
        self.kept = kept
        self._checker = Checker(index, store, examiner, limits, self._turn, self.kept)
        self._runs = Runs(index, owner_id)
        self._queue = ThreadPoolExecutor(_QUEUE_THREADS, thread_name_prefix="install")

    def install(self, upload: Upload, options: InstallOptions) -> InstallResult:
        """Take an upload through all stages. Its file is consumed, whatever comes of it.

        :raises CadenceError: the one that says why it is refused; nothing of it is left then.
        """
        result = self._run(self._begin(upload, options), upload, options)
        assert isinstance(result, InstallResult)
        return result

    def check(self, upload: Upload, options: CheckOptions) -> CheckResult:
        """Take an upload as far as it comes without an install. Its file is consumed, whatever comes of it.

        :raises CadenceError: the one that says why an install would be refused.
        """
        result = self._run(self._begin(upload, options), upload, options)
        assert isinstance(result, CheckResult)
        return result

    def submit(self, upload: Upload, options: InstallOptions) -> str:
        """As :meth:`install`, or :meth:`check`, in the background. Returns the run's id, for :meth:`record`."""
        install_id = self._begin(upload, options)
        progress, queued = self._runs.progress(install_id), ExitStack()
        try:
            future = self._queue.submit(handed_on(self._run_quietly), queued, install_id, upload, options)
        except RuntimeError:  # the queue is shut down
            Path(upload.path).unlink(missing_ok=True)
            error = PluginUnavailable("The server is shutting down. Upload the plugin again.")
            self._finish(install_id, InstallState.CANCELLED, error.status, failure_json(error))
            raise error from None
        queued.enter_context(progress.cancelled.ending(partial(self._drop, future, install_id, upload)))
        return install_id

    def record(self, install_id: str) -> InstallRecord | None:
        """One install or check as it stands, also one of another process; None when it is not known."""
        return self._runs.record(install_id)

    def records(
        self, limit: int, *, after: str | None = None, name: str | None = None, state: InstallState | None = None
    ) -> list[InstallRecord]:
        """The latest installs and checks, newest first. Takes what :meth:`InstallIndex.installs` takes."""
        return self._runs.records(limit, after=after, name=name, state=state)

    def lines(self, install_id: str, after: int = 0) -> list[InstallLine]:
        """The log of one, in order; only the lines whose number is greater than ``after``."""
        return self._runs.lines(install_id, after)

    def cancel(self, install_id: str) -> InstallRecord:
        """End one, also in another process, and give it as it then stands.

        :raises NotFound: when it is not known.
        :raises NotCancellable: when it is over, or past the commit point.
        """
        return self._runs.cancel(install_id)

    def cancel_all(self) -> None:
        """Cancel what runs and what waits."""
        self._runs.cancel_all()

    def close(self) -> None:
        """Cancel what runs and wait for it to clean up."""
        self.cancel_all()
        self._queue.shutdown(wait=True, cancel_futures=False)
        self._runs.await_none(_CLOSE_SECONDS)
        self.kept.close()
        self._runs.close()

    def _begin(self, upload: Upload, options: InstallOptions) -> str:
        install_id = secrets.token_hex(8)
        name, version = _claimed_name(upload.filename)
        kind = InstallKind.CHECK if isinstance(options, CheckOptions) else InstallKind.INSTALL
        record = InstallRecord(install_id, upload.filename, InstallState.RUNNING, utc_now(), name, version, kind=kind)
        try:
            # Whatever becomes of it, it can be tried again without being sent again.
            self.kept.keep(install_id, upload, options)
            self._runs.begin(record, Progress(upload.received_ms))
        except BaseException:
            self.kept.forget(install_id)
            Path(upload.path).unlink(missing_ok=True)
            raise
        return install_id

    def _drop(self, future: "Future[None]", install_id: str, upload: Upload) -> None:
        """Cancel what no thread has begun yet."""
        if future.cancel():
            Path(upload.path).unlink(missing_ok=True)
            error = Cancelled("The install was cancelled while it waited for its turn.")
            self._finish(install_id, InstallState.CANCELLED, error.status, failure_json(error))

    def _run_quietly(self, queued: ExitStack, install_id: str, upload: Upload, options: InstallOptions) -> None:
        queued.close()  # from here on it looks for itself whether it was cancelled
        try:
            self._run(install_id, upload, options)
        except CadenceError:
            pass  # kept with the install, where whoever follows it reads it
        except Exception:
            log.exception("install %s failed on an error of the server", install_id)

    def _run(self, install_id: str, upload: Upload, options: InstallOptions) -> InstallResult | CheckResult:
        progress = self._runs.progress(install_id)
        try:
            result = self._taken(install_id, upload, options, progress)
        except CadenceError as failure:
            error = _really(failure, progress)
            if isinstance(error, StorageFull):
                self.kept.forget(install_id)  # it lies on the very disk
            state = InstallState.CANCELLED if isinstance(error, Cancelled) else InstallState.FAILED
            self._finish(install_id, state, error.status, failure_json(error))
            if error is failure:
                raise
            raise error from failure
        except BaseException:
            unexpected = CadenceError("The server's log has the reason. Nothing was installed.")
            self._finish(install_id, InstallState.FAILED, 500, failure_json(unexpected))
            raise
        if isinstance(result, InstallResult):
            self.kept.forget(install_id)
        self._finish(install_id, InstallState.SUCCEEDED, *outcome_of(result))
        return result

    def _taken(
        self, install_id: str, upload: Upload, options: InstallOptions, progress: Progress
    ) -> InstallResult | CheckResult:
        if isinstance(options, CheckOptions):
            with full_disk_refused("check the plugin"):
                return self._checker.check(install_id, upload, options, progress)
        with full_disk_refused("install the plugin"):
            return self._install(install_id, upload, options, progress)

    def _finish(self, install_id: str, state: InstallState, status: int, outcome: dict[str, object]) -> None:
        try:
            self._runs.end(install_id, state, status, outcome)
        finally:
            self._tidy()

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
                received = structs.replace(upload, path=str(staging.upload))
                extract(received, staging.tree, self._limits, progress.cancelled.raise_if_set)
                staging.begin_sync()  # the disk works while the plugin is tried out
            with progress.stage(Stage.EXISTS):
                if is_installed(self._index, self._store, ref) and not options.force_overwrite:
                    raise PluginExists("Use force_overwrite=true to replace", ref=ref)
            examined = self._examiner.examine(ref, staging.tree, progress, stack, upgrade=options.upgrade)
            record = examined.record(install_id, "upload", upload.sha256, upload.size_bytes)
            with self._live_set.changing(ref.name, progress.cancelled):
                publication = self._publish(record, staging, progress, options)
                self._activate(record, examined.worker, publication, progress)
        return _result(record, examined.warnings, publication, str(self._store.folder(ref)), progress)

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
            commit = progress.cancelled.rule_out
            return publish_version(self._index, self._store, staging, record, options.activate, commit)

    def _activate(self, record: VersionRecord, worker: Worker, publication: Publication, progress: Progress) -> None:
        with progress.stage(Stage.ACTIVATE, cancellable=False):
            active = self._index.active_of(record.ref.name) if publication.activated else None
            # That of a disabled plugin, or one that another server has taken back by now, answers nobody.
            if active is not None and active.install_id == record.install_id:
                self._live_set.swap(active, worker, publication.generation)


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
