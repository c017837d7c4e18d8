"""The folder a plugin is written in: what of it is the plugin, whether it was saved, and a copy to load from."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from cadence.errors import InvalidFilename, NotFound, ValidationFailed
from cadence.intake.faults import bounded
from cadence.intake.inspection import REQUIRED_MODULES
from cadence.intake.packing import identify
from cadence.intake.sources import Package, reachable_modules
from cadence.intake.stack import on_deep_stack
from cadence.intake.tree import JUNK
from cadence.model import Fault, PluginRef, Stage

_LEFT_OUT = JUNK | {".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hg", ".idea", ".vscode"}
# What editors keep beside a file while it is written; 4913 is how Vim finds out whether it may write at all.
_OF_EDITORS = frozenset({"4913"})
_ENDINGS = (".pyc", "~", ".swp", ".swo", ".swx", "___jb_tmp___", "___jb_old___")
_BEGINNINGS = (".#", "#", ".goutputstream-")

#: Files come and go while an editor saves.
_COPY_ATTEMPTS = 10
_COPY_PAUSE_SECONDS = 0.02

Glance = Mapping[str, tuple[int, int, int]]
"""What tells one state of the folder from another: by path the inode, the size and the time of its last change."""


class WorkingCopy:
    """A plugin's folder in its author's hands. It is only read.

    :param folder: an absolute path, without links in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def require(self) -> None:
        """Check that it is there.

        :raises NotFound: when it is not.
        """
        if not self.folder.is_dir():
            raise NotFound(f"There is no folder {self.folder}. Start again when it is there.")

    def require_plugin(self) -> None:
        """Check that it could be a plugin's at all.

        :raises NotFound: when it is not there.
        :raises ValidationFailed: when it is something else's.
        """
        self.require()
        if not (self.folder / "__init__.py").is_file():
            words = f"{self.folder} is not a plugin's folder: it has no __init__.py"
            raise ValidationFailed(faults=[Fault(Stage.INSPECT, "missing_file", words, "__init__.py")])

    def has(self, path: str) -> bool:
        """Whether what lies at an absolute path is part of the plugin."""
        try:
            return not any(map(_is_left_out, Path(path).relative_to(self.folder).parts))
        except ValueError:
            return False

    def glance(self) -> Glance:
        """How its files look now. A file that goes meanwhile is not there."""
        return dict(_looks(str(self.folder)))

    def copy(self, into: Path) -> None:
        """Copy it; not by links, because there are editors that write into a file in place.

        :param into: a folder that does not exist yet.
        :raises ValidationFailed: when it cannot be copied, because of what is in it.
        """
        for attempt in range(_COPY_ATTEMPTS):
            try:
                shutil.copytree(self.folder, into, symlinks=True, ignore=_left_out)
            except shutil.Error as error:
                reasons = error.args[0]
            except OSError as error:
                reasons = [(error.filename, "", error.strerror)]
            else:
                return
            shutil.rmtree(into, ignore_errors=True)
            time.sleep(_COPY_PAUSE_SECONDS * attempt)
        raise ValidationFailed(faults=bounded(self._unreadable(str(path), str(why)) for path, _, why in reasons))

    def identify(self) -> PluginRef:
        """Name and version, by the folder's name, or else by what its files state.

        :raises ValidationFailed: when they cannot be told because a module cannot be read.
        :raises InvalidFilename: when they are stated nowhere.
        """
        try:
            return identify(self.folder)
        except InvalidFilename:
            package = Package(self.folder, self.folder.name.replace("-", "_"))
            on_deep_stack(lambda: reachable_modules(package, *REQUIRED_MODULES))
            if package.faults:
                raise ValidationFailed(faults=bounded(package.faults)) from None
            raise

    def _unreadable(self, path: str, why: str) -> Fault:
        name = os.path.relpath(path, self.folder) if path else str(self.folder)
        return Fault(Stage.INSPECT, "unreadable_file", f"{name} cannot be read: {why}", name)


def _is_left_out(name: str) -> bool:
    if name.casefold() in _LEFT_OUT or name in _OF_EDITORS:
        return True
    return name.endswith(_ENDINGS) or name.startswith(_BEGINNINGS)


def _left_out(_: str, names: list[str]) -> set[str]:
    return set(filter(_is_left_out, names))


def _looks(folder: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if _is_left_out(entry.name):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _looks(entry.path)
            else:
                state = entry.stat(follow_symlinks=False)
                yield entry.path, (state.st_ino, state.st_size, state.st_mtime_ns)
        except OSError:
            continue
