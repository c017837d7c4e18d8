"""A check: an upload as far as an install would take it, without anything of it being kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from packaging.version import Version

from cadence.comparer import Comparer
from cadence.confirmation import KeptArchives
from cadence.errors import PluginExists
from cadence.examination import Examiner
from cadence.intake.archive import extract
from cadence.intake.filename import parse_filename
from cadence.intake.limits import ArchiveLimits
from cadence.model import CheckOptions, CheckResult, PluginRef, Stage, Upload
from cadence.progress import Progress
from cadence.storage.index import Index
from cadence.storage.store import Store

Turn = Callable[[Progress], AbstractContextManager[None]]
"""Waits until one more install may run, and lets the next one run afterwards."""


def is_installed(index: Index, store: Store, ref: PluginRef) -> bool:
    """Whether a version is here, so that an install has to overwrite it.

    :raises PluginExists: when it is here under another spelling of its version, which nothing overwrites.
    """
    records = index.versions_of(ref.name)
    for record in records:
        if record.ref != ref and Version(record.ref.version) == Version(ref.version):
            raise PluginExists(
                f"Version {ref.version} is the same as {record.ref.version}, which is installed. "
                f"Name the archive {record.ref.slug}.zip to replace it, or delete it first.",
                ref=ref,
            )
    # A folder without a version may have been put there by hand a moment ago: it is not overwritten unasked.
    return store.folder(ref).exists() or any(record.ref == ref for record in records)


class Checker:
    """Checks uploads. It takes no plugin's lock: it changes nothing, and what it says is true of that moment.

    :param checked: keeps the archives that passed, for a confirmation.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        examiner: Examiner,
        limits: ArchiveLimits,
        turn: Turn,
        checked: KeptArchives,
    ) -> None:
        self._index = index
        self._store = store
        self._examiner = examiner
        self._limits = limits
        self._turn = turn
        self._checked = checked
        self._comparer = Comparer(index, store)

    def check(self, install_id: str, upload: Upload, options: CheckOptions, progress: Progress) -> CheckResult:
        """Take an upload through every stage up to the trial. Its file is removed, whatever comes of it.

        :raises CadenceError: the one that says why it would be refused.
        """
        with self._examiner.scratch() as (tree, stack):
            stack.callback(Path(upload.path).unlink, missing_ok=True)
            with progress.stage(Stage.ARCHIVE):
                ref = parse_filename(upload.filename)
            stack.enter_context(self._turn(progress))
            with progress.stage(Stage.ARCHIVE):
                extract(upload, tree, self._limits, progress.cancelled.raise_if_set)
            with progress.stage(Stage.EXISTS):
                installed = is_installed(self._index, self._store, ref)
            trial = self._examiner.check(ref, tree, progress, stack, trial=options.trial, upgrade=options.upgrade)
            name = trial.report.metadata.name if trial.report else None
            would_activate = self._index.would_activate(ref, options.activate, name)
            comparison = self._comparer.with_installed(trial, tree)
            kept_seconds = self._checked.keep(install_id, upload, options)
        return CheckResult(trial, install_id, installed, would_activate, progress.stages, comparison, kept_seconds)
