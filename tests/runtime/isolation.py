"""Isolated plugins without a package index: their environment is a copy of what the server has, or any folder.

Whatever plugin requires :data:`EVERYTHING` gets it, in place of a resolution.
"""

import compileall
import os
import shutil
from collections.abc import Callable, Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from cadence.dependencies.environment import Environments
from cadence.dependencies.host import SDK, preloaded
from cadence.dependencies.installation import Dependencies, Order, Planned, Provided
from cadence.dependencies.lock import Lock, Package
from cadence.model import DependencyPlan
from cadence.parts import Running
from cadence.progress import Progress
from cadence.storage.folders import PASSAGE, make_folder

EVERYTHING = "everything"
_PACKAGE = Package(EVERYTHING, "1.0", ("sha256:00",), EVERYTHING)
#: Stands for a resolution that is isolated, and came to an environment of one package.
LOCK = Lock((_PACKAGE,), ("it is a test of what is isolated",))


def copy_packages(into: Path, *others: str) -> Path:
    """Copy what workers have preloaded, but for the SDK, and other distributions with all they need, with bytecode."""
    into.mkdir(parents=True)
    names = {line.split("==")[0] for line in preloaded()} - {SDK}
    for entry in {entry for name in _with_needed(names, others) for entry in _entries(name)}:
        copy = into / entry.name
        if entry.is_dir():
            shutil.copytree(entry, copy)
        else:
            shutil.copy2(entry, copy)
    # Without, importing would take twice as long.
    compileall.compile_dir(into, quiet=2)
    return into


def isolating(packages: Path) -> Callable[[Running], Dependencies]:
    """What ``Running._dependencies`` is to be, for plugins that require :data:`EVERYTHING` to get these packages."""
    return lambda running: Isolating(running.environments, packages)


class Isolating(Dependencies):
    """Provides an environment that is a copy of a folder."""

    def __init__(self, environments: Environments, packages: Path) -> None:
        self.environments = environments
        self._packages = packages

    def plan(self, order: Order, progress: Progress, *, sizes: bool = False) -> Planned:
        lock = LOCK if EVERYTHING in order.requirements else Lock()
        return Planned(order, lock, DependencyPlan((), (), lock.isolated, lock.key, True), order.requirements)

    def provide(self, planned: Planned, progress: Progress) -> Provided:
        if planned.lock.key is None:
            return Provided(planned)
        folder = self.environments.path(planned.lock.key)
        if not folder.is_dir():
            make_folder(folder.parent, PASSAGE)
            shutil.copytree(self._packages, folder, copy_function=_link_or_copy)
        return Provided(planned, planned.lock.key, self.environments.lease(folder), True)


def _link_or_copy(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:  # another file system, or another user's files
        shutil.copy2(source, destination)


def _with_needed(names: set[str], others: Iterable[str]) -> set[str]:
    pending = list(others)
    while pending:
        name = pending.pop()
        if name not in names:
            names.add(name)
            required = [Requirement(line) for line in distribution(name).requires or ()]
            pending += [one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    return names


def _entries(name: str) -> set[Path]:
    """What a distribution has put into the folder of packages."""
    found = distribution(name)
    tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
    return {Path(str(found.locate_file(top))) for top in tops}
