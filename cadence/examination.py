"""From a plugin's unpacked folder to a worker that has loaded it: inspect, dependencies, trial.

An install, a check without an install, and the adoption of a folder all go through here.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct, structs

from cadence.dependencies.installation import VENDORED, Dependencies, Order, Provided
from cadence.errors import CadenceError, ValidationFailed
from cadence.grants import unmet_faults, unmet_requests
from cadence.intake.archive import extract
from cadence.intake.filename import parse_filename
from cadence.intake.inspection import inspect
from cadence.intake.limits import ArchiveLimits
from cadence.model import Granted, Limits, Manifest, PluginRef, Stage, Trial, Upload, VersionRecord
from cadence.progress import Progress
from cadence.runtime.launcher import Launch
from cadence.runtime.live_set import LiveSet
from cadence.runtime.worker import Worker
from cadence.storage.database import utc_now
from cadence.storage.tree import snapshot

_VALIDATE_AGAIN = "validate it again"


class Examined(Struct, frozen=True):
    """A plugin that passed: what its files say, what was installed for it, and the worker that holds it."""

    manifest: Manifest
    provided: Provided
    worker: Worker

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it should be and does not refuse it."""
        worker = self.worker
        requests = worker.report.metadata.requests
        unmet = unmet_requests(self.manifest.ref.name, requests, worker.granted.grants, worker.limits)
        return (*self.manifest.warnings, *worker.report.warnings, *unmet)

    def record(self, install_id: str, source: str, sha256: str, size_bytes: int) -> VersionRecord:
        """What the index keeps of it, as of now."""
        return VersionRecord(
            ref=self.manifest.ref,
            install_id=install_id,
            sha256=sha256,
            size_bytes=size_bytes,
            installed_at=utc_now(),
            source=source,
            active=False,
            report=self.worker.report,
            environment=self.provided.key,
            isolated=self.provided.isolated,
            dependencies_installed=self.provided.planned.installed,
            grants_revision=self.worker.granted.revision,
        )


class Examiner:
    """Examines plugins.

    :param scratch_dir: a folder of this process, for what is only looked at.
    :param granted: what a plugin of this name is permitted, so that its trial runs with that.
    :param defaults: the limits of a plugin whose grants do not say otherwise.
    """

    def __init__(
        self,
        live_set: LiveSet,
        dependencies: Dependencies,
        limits: ArchiveLimits,
        sdk_version: str,
        scratch_dir: Path,
        granted: Callable[[str], Granted],
        defaults: Limits,
    ) -> None:
        self._live_set = live_set
        self._dependencies = dependencies
        self._limits = limits
        self._sdk_version = sdk_version
        self._scratch_dir = scratch_dir
        self._granted = granted
        self._defaults = defaults

    def examine(
        self,
        ref: PluginRef,
        tree: Path,
        progress: Progress,
        stack: ExitStack,
        again: str = "upload again",
        *,
        upgrade: bool = False,
    ) -> Examined:
        """Take a folder through the three stages.

        :param stack: at its end the worker and its environment are let go, unless it answers by then.
        :param upgrade: resolve its dependencies anew.
        :param again: what to do once the plugin was granted what it asks for, where its trial fails without.
        :raises CadenceError: the one that says why it is refused.
        """
        with progress.stage(Stage.INSPECT):
            manifest = inspect(tree, ref, self._sdk_version)
        with self._told_what_is_not_granted(manifest, again):
            vendored = tree / VENDORED
            order = Order(
                manifest.requirements,
                vendored if vendored.is_dir() else None,
                upgrade,
                self._granted(ref.name).grants.network,
            )
            examined = self._try_out(manifest, order, tree, progress, stack)
            undeclared = _undeclared(examined)
            if not undeclared:
                return examined
            # They are computed, so that only the running plugin could name them: once more, with them.
            order = structs.replace(order, requirements=(*manifest.requirements, *undeclared))
            return self._try_out(manifest, order, tree, progress, stack)

    def validate(self, upload: Upload) -> Trial:
        """Take an upload through every stage up to the trial and keep nothing of it, nor its file.

        :raises CadenceError: the one that says why it would be refused.
        """
        progress = Progress(upload.received_ms)
        with self.scratch() as (tree, stack):
            stack.callback(Path(upload.path).unlink, missing_ok=True)
            with progress.stage(Stage.ARCHIVE):
                ref = parse_filename(upload.filename)
                extract(upload, tree, self._limits)
            return _trial(self.examine(ref, tree, progress, stack, _VALIDATE_AGAIN))

    def validate_folder(self, ref: PluginRef, folder: Path) -> Trial:
        """As :meth:`validate`, for a folder that was not packed yet; it is only read."""
        with self.scratch() as (tree, stack):
            snapshot(folder, tree)
            return _trial(self.examine(ref, tree, Progress(0.0), stack, _VALIDATE_AGAIN))

    @contextmanager
    def scratch(self) -> Iterator[tuple[Path, ExitStack]]:
        """The path of a folder to make, which is gone afterwards, and the stack of what ends with it."""
        self._scratch_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch_dir) as folder, ExitStack() as stack:
            yield Path(folder, "tree"), stack

    def _try_out(self, manifest: Manifest, order: Order, tree: Path, progress: Progress, stack: ExitStack) -> Examined:
        with progress.stage(Stage.DEPENDENCIES):
            provided = self._provide(manifest.ref, order, progress)
            if provided.lease:
                stack.callback(provided.lease.close)
        with progress.stage(Stage.TRIAL):
            granted = self._granted(manifest.ref.name)
            launch = Launch(manifest.ref, tree, provided.path, provided.isolated, granted=granted)
            worker = self._live_set.trial(launch)
            stack.callback(self._live_set.dismiss, worker)
        return Examined(manifest, provided, worker)

    @contextmanager
    def _told_what_is_not_granted(self, manifest: Manifest, again: str) -> Iterator[None]:
        """Have a trial that failed say what the plugin asks for and does not have: it may have failed for that."""
        try:
            yield
        except ValidationFailed as failure:
            name, grants = manifest.ref.name, self._granted(manifest.ref.name).grants
            requests = failure.requests or manifest.requests
            unmet = unmet_faults(name, requests, grants, grants.limits(self._defaults), again)
            if not unmet:
                raise
            raise ValidationFailed(ref=failure.ref, faults=(*failure.faults, *unmet)) from failure

    def _provide(self, ref: PluginRef, order: Order, progress: Progress) -> Provided:
        try:
            return self._dependencies.provide(self._dependencies.plan(order, progress), progress)
        except CadenceError as error:
            error.ref = ref
            raise


def _undeclared(examined: Examined) -> tuple[str, ...]:
    """The requirements the running plugin names and its files do not show; none where the files show all."""
    if examined.manifest.requirements_complete:
        return ()
    named = examined.worker.report.metadata.dependencies
    return tuple(requirement for requirement in named if requirement not in examined.manifest.requirements)


def _trial(examined: Examined) -> Trial:
    report = examined.worker.report
    return Trial(examined.manifest.ref, report, examined.provided.planned.installed, examined.warnings)
