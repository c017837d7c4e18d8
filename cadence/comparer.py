"""What is compared of a version is gathered here: from its folder in the store, the index, and its trial.

The files are read as they are now. Nothing of the plugin is run: its inspection is done again on its folder, since of
that no more than the warnings of the trial is kept.
"""

from importlib.metadata import version as distribution_version
from pathlib import Path

from msgspec import Struct

from cadence.comparison import Comparison, FileDifference, Side, compare, file_difference
from cadence.dependencies import memory
from cadence.errors import InvalidRequest, NotFound, ValidationFailed
from cadence.intake.inspection import inspect
from cadence.inventory import contents, file_facts
from cadence.model import Manifest, PluginRef, Requests, Trial, TrialReport, VersionRecord
from cadence.storage.index import Index
from cadence.storage.store import Store

#: The longest path of a file that can be asked for, in characters; no file system has longer ones.
_MAX_PATH_CHARACTERS = 4096


class Comparer:
    """Compares versions of a plugin: installed ones, and one that is about to be."""

    def __init__(self, index: Index, store: Store) -> None:
        self._index = index
        self._store = store

    def installed(self, name: str, old: str, new: str) -> Comparison:
        """What is different between two installed versions.

        :raises NotFound: when one of them is not installed.
        :raises InvalidRequest: when they are the same one.
        """
        before, after = self._pair(name, old, new)
        return compare(self._side_of(before), self._side_of(after))

    def file(self, name: str, old: str, new: str, path: str) -> FileDifference:
        """What is different in one file of two installed versions. Raises as :meth:`installed`.

        :raises NotFound: when neither has such a file, too.
        """
        before, after = self._pair(name, old, new)
        sides = [contents(self._store.folder(one.ref), path) for one in (before, after)]
        if len(path) > _MAX_PATH_CHARACTERS or sides == [None, None]:
            raise NotFound(f"Neither {old} nor {new} of {name} has a file {path[:200]!r}.")
        return file_difference(path, *sides)

    def with_installed(self, trial: Trial, tree: Path) -> Comparison | None:
        """What is different in a version that was checked, from the one that is active or else the highest.

        :param tree: where its files lie.
        :returns: None where no version of it is installed.
        """
        records = self._index.versions_of(trial.ref.name)
        if not records:
            return None
        before = next((record for record in records if record.active), records[0])
        return compare(self._side_of(before), _side_of_trial(trial, tree))

    def _pair(self, name: str, old: str, new: str) -> tuple[VersionRecord, VersionRecord]:
        if not self._index.versions_of(name):
            raise NotFound(f"No plugin {name!r} is installed.")
        found = [(number, self._index.version(PluginRef(name, number))) for number in (old, new)]
        if missing := [number for number, record in found if record is None]:
            raise NotFound(*(f"{name} {number} is not installed." for number in dict.fromkeys(missing)))
        if old == new:
            raise InvalidRequest(f"There is nothing to compare: both are {name} {old}. Choose two versions.")
        before, after = (record for _, record in found if record is not None)
        return before, after

    def _side_of(self, record: VersionRecord) -> Side:
        seen = _inspected(self._store.folder(record.ref), record.ref)
        return _side(
            record.ref,
            self._store.folder(record.ref),
            seen,
            record.report,
            self._packages(record),
        )

    def _packages(self, record: VersionRecord) -> dict[str, str] | str:
        if record.environment is None:
            return {}
        text = self._index.lock_of(record.environment)
        lock = memory.read(text) if text is not None else None
        if lock is None:
            return f"Which packages {_called(record.ref)} brings is not known any more."
        return {package.name: package.version for package in lock.packages}


class _Seen(Struct, frozen=True):
    """What an inspection found: the manifest, or the faults that are the only thing to be told."""

    manifest: Manifest | None
    findings: tuple[str, ...]


def _side_of_trial(trial: Trial, tree: Path) -> Side:
    packages = {one.name: one.version for one in trial.plan.added}
    return _side(trial.ref, tree, _inspected(tree, trial.ref), trial.report, packages)


def _side(
    ref: PluginRef, folder: Path, seen: _Seen, report: TrialReport | None, packages: dict[str, str] | str
) -> Side:
    untried = f"{_called(ref)} was not tried out, so its tools are not known."
    return Side(
        plugin_name=ref.name,
        version=ref.version,
        files=file_facts(folder, _called(ref)),
        packages=packages,
        requirements=_requirements(ref, seen, report),
        tools=untried if report is None else report.tools,
        metadata=untried if report is None else report.metadata,
        requests=_requests(seen, report),
        findings=(*seen.findings, *(report.warnings if report else ())),
    )


def _requirements(ref: PluginRef, seen: _Seen, report: TrialReport | None) -> tuple[str, ...] | str:
    """Those that its files state; where they are computed, those that the running plugin named too."""
    if seen.manifest is None:
        return f"The files of {_called(ref)} cannot be inspected, so its requirements are not known."
    stated = seen.manifest.requirements
    if seen.manifest.requirements_complete or report is None:
        return stated
    return (*stated, *(one for one in report.metadata.dependencies if one not in stated))


def _requests(seen: _Seen, report: TrialReport | None) -> Requests | str:
    if report is not None:
        return report.metadata.requests
    return seen.manifest.requests if seen.manifest else "What it asks for is not known: it cannot be inspected."


def _inspected(folder: Path, ref: PluginRef) -> _Seen:
    try:
        manifest = inspect(folder, ref, distribution_version("cadence-sdk"))
    except ValidationFailed as failure:  # edited in place since it was installed
        return _Seen(None, failure.sentences)
    except OSError:  # deleted while it was read
        return _Seen(None, ())
    return _Seen(manifest, manifest.warnings)


def _called(ref: PluginRef) -> str:
    return f"{ref.name} {ref.version}"
