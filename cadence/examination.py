"""From a plugin's unpacked folder to a worker that has loaded it: inspect, dependencies, trial.

An install, a check without an install, and the adoption of a folder all go through here.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct, structs

from cadence.dependencies.installation import VENDORED, Dependencies, Order, Planned, Provided
from cadence.errors import CadenceError, ValidationFailed
from cadence.excerpts import with_lines
from cadence.grants import unmet_faults, unmet_requests
from cadence.intake.inspection import inspect
from cadence.model import Granted, Limits, Manifest, PluginRef, Stage, Trial, VersionRecord
from cadence.progress import Progress
from cadence.runtime.launcher import Launch
from cadence.runtime.live_set import LiveSet
from cadence.runtime.worker import Worker
from cadence.storage.database import utc_now
from cadence.storage.tree import snapshot

_CHECK_AGAIN = "validate it again"
_NOT_TRIED = (
    "It was not tried out: the packages that it needs are not on this server. Ask for the trial to have it tried."
)
_COMPUTED = "It computes its dependencies: only the trial can tell what it needs beside what its files state."


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
        sdk_version: str,
        scratch_dir: Path,
        granted: Callable[[str], Granted],
        defaults: Limits,
    ) -> None:
        self._live_set = live_set
        self._dependencies = dependencies
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
        with self._inspected(ref, tree, progress, again, upgrade=upgrade) as (manifest, order):
            examined = self._try_out(manifest, self._plan(ref, order, progress), tree, progress, stack)
            if undeclared := _undeclared(examined):
                # They are computed, so that only the running plugin could name them: once more, with them.
                planned = self._plan(ref, _with(order, undeclared), progress)
                examined = self._try_out(manifest, planned, tree, progress, stack)
            return examined

    def check(
        self,
        ref: PluginRef,
        tree: Path,
        progress: Progress,
        stack: ExitStack,
        *,
        trial: bool = False,
        upgrade: bool = False,
    ) -> Trial:
        """Take a folder as far through the same stages as it comes without an install.

        :param trial: go all the way: install what it needs to try it out. At the end of ``stack`` it is let go.
        :raises CadenceError: the one that says why it would be refused.
        """
        with self._inspected(ref, tree, progress, _CHECK_AGAIN, upgrade=upgrade) as (manifest, order):
            planned = self._plan(ref, order, progress, sizes=True)
            if not (trial or planned.plan.ready):
                return _untried(manifest, planned)
            examined = self._try_out(manifest, planned, tree, progress, stack)
            if undeclared := _undeclared(examined):
                planned = self._plan(ref, _with(order, undeclared), progress, sizes=True)
                if not (trial or planned.plan.ready):
                    return _untried(manifest, planned)
                examined = self._try_out(manifest, planned, tree, progress, stack)
            # As it was planned: what was not here before the check would still have to come.
            return Trial(ref, examined.worker.report, planned.installed, examined.warnings, planned.plan)

    def check_folder(self, ref: PluginRef, folder: Path, *, trial: bool = False, upgrade: bool = False) -> Trial:
        """As :meth:`check`, for a folder that was not packed yet; it is only read."""
        with self.scratch() as (tree, stack):
            snapshot(folder, tree)
            return self.check(ref, tree, Progress(0.0), stack, trial=trial, upgrade=upgrade)

    @contextmanager
    def scratch(self) -> Iterator[tuple[Path, ExitStack]]:
        """The path of a folder to make, which is gone afterwards, and the stack of what ends with it."""
        self._scratch_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch_dir) as folder, ExitStack() as stack:
            yield Path(folder, "tree"), stack

    @contextmanager
    def _inspected(
        self, ref: PluginRef, tree: Path, progress: Progress, again: str, *, upgrade: bool
    ) -> Iterator[tuple[Manifest, Order]]:
        """What the files of a plugin say, and what has to be got for it, to go on with."""
        with _quoting(tree), progress.stage(Stage.INSPECT):
            manifest = inspect(tree, ref, self._sdk_version)
        with self._told_what_is_not_granted(manifest, again), _quoting(tree):
            vendored = tree / VENDORED
            network = self._granted(ref.name).grants.network
            yield manifest, Order(manifest.requirements, vendored if vendored.is_dir() else None, upgrade, network)

    def _plan(self, ref: PluginRef, order: Order, progress: Progress, *, sizes: bool = False) -> Planned:
        with progress.stage(Stage.DEPENDENCIES), _of(ref):
            return self._dependencies.plan(order, progress, sizes=sizes)

    def _try_out(
        self, manifest: Manifest, planned: Planned, tree: Path, progress: Progress, stack: ExitStack
    ) -> Examined:
        with progress.stage(Stage.DEPENDENCIES), _of(manifest.ref):
            provided = self._dependencies.provide(planned, progress)
            if provided.lease:
                stack.callback(provided.lease.close)
        with progress.stage(Stage.TRIAL):
            granted = self._granted(manifest.ref.name)
            launch = Launch(manifest.ref, tree, provided.path, provided.isolated, granted=granted)
            worker = self._live_set.trial(launch, progress.cancelled)
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


@contextmanager
def _quoting(tree: Path) -> Iterator[None]:
    """Have faults say what stands in the lines they name, as long as the files are there."""
    try:
        yield
    except ValidationFailed as failure:
        failure.faults = with_lines(failure.faults, tree)
        raise


@contextmanager
def _of(ref: PluginRef) -> Iterator[None]:
    """Have errors say which plugin they are about."""
    try:
        yield
    except CadenceError as error:
        error.ref = ref
        raise


def _undeclared(examined: Examined) -> tuple[str, ...]:
    """The requirements the running plugin names and its files do not show; none where the files show all."""
    if examined.manifest.requirements_complete:
        return ()
    named = examined.worker.report.metadata.dependencies
    return tuple(requirement for requirement in named if requirement not in examined.manifest.requirements)


def _with(order: Order, undeclared: tuple[str, ...]) -> Order:
    return structs.replace(order, requirements=(*order.requirements, *undeclared))


def _untried(manifest: Manifest, planned: Planned) -> Trial:
    computed = () if manifest.requirements_complete else (_COMPUTED,)
    return Trial(manifest.ref, None, planned.installed, (*manifest.warnings, _NOT_TRIED, *computed), planned.plan)
