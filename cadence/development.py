"""A plugin under its author's hands: loaded from a folder, and again at each save, beside everything that is installed.

It runs as an installed one would, with the same checks, sandbox and grants, but in an instance of its own that goes
with it: index, store, data and packages of the real one are not touched. That instance lies in the folder of an owner
(:mod:`cadence.storage.owners`), so that it is swept away by whoever starts next if this process is killed.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import Struct
from watchfiles import Change, watch

from cadence.config import Settings
from cadence.errors import CadenceError
from cadence.model import Fault, Granted, PluginRef, ToolSpec
from cadence.parts import Parts
from cadence.progress import Progress
from cadence.runtime.logs import LogLine
from cadence.runtime.worker import Draining, Worker
from cadence.runtime.zygote import Zygote
from cadence.storage.folders import PASSAGE, make_folder
from cadence.storage.owners import Owner
from cadence.storage.tree import remove_tree
from cadence.working_copy import Glance, WorkingCopy

#: A save is over when nothing was written for so long; one that goes on is taken after the longer time, in ms.
_QUIET_MS = 20
_GROUPED_MS = 400
#: How often the folder is looked at though nothing was reported: some network folders report nothing, in ms.
_LOOK_MS = 1000
#: How many lines of the plugin's log are looked at in one go.
_LINES = 1000


class ToolChanges(Struct, frozen=True):
    """What became of the tools since the load before, by name. All are empty at the first load."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class Loaded(Struct, frozen=True):
    """The plugin was loaded and answers. ``installed`` are the requirements that were provided for it.

    ``again`` is whether it had been loaded before, so that there is something for ``changes`` to compare with.
    """

    ref: PluginRef
    ms: float
    tools: tuple[ToolSpec, ...]
    again: bool
    changes: ToolChanges
    warnings: tuple[str, ...]
    installed: tuple[str, ...]


class Broken(Struct, frozen=True):
    """The plugin as it was saved is refused, for these faults; ``answering`` is the version that goes on, if any."""

    ms: float
    message: str
    faults: tuple[Fault, ...]
    answering: str | None


class Ended(Struct, frozen=True):
    """The plugin's process has ended by itself; the next save starts it again."""

    words: str


class Called(Struct, frozen=True):
    """A tool was called: what it answered, or in words why it did not."""

    tool: str
    ms: float
    result: Any = None
    error: str | None = None


Happening = Loaded | Broken | Ended


@contextmanager
def developing(
    settings: Settings, folder: Path, granted: Callable[[str], Granted], zygote: Zygote | None = None
) -> Iterator["Development"]:
    """Develop the plugin in ``folder``; at the end of the block nothing of it is left, neither process nor file.

    :param granted: what the real instance permits a plugin of this name.
    :param zygote: one to share; by default an own one.
    :raises NotFound: when there is no such folder.
    :raises ValidationFailed: when it is not a plugin's at all.
    """
    source = WorkingCopy(folder.resolve())
    source.require_plugin()
    make_folder(settings.instance / "run", PASSAGE)
    with Owner.acquire(settings.instance) as owner:
        home = settings.instance / "run" / owner.id
        make_folder(home, PASSAGE)
        apart = replace(
            settings,
            instance=home / "dev",
            store_plugin=None,
            store_archived=None,
            enable_directory_plugins=False,
        )
        try:
            with _opened(Parts(apart, zygote)) as parts, Development(parts, source, granted) as development:
                yield development
        finally:
            remove_tree(home)


@contextmanager
def _opened(parts: Parts) -> Iterator[Parts]:
    try:
        yield parts
    finally:
        parts.close()


class Development:
    """Loads one plugin again and again. The last version that was good answers until a better one has loaded."""

    def __init__(self, parts: Parts, source: WorkingCopy, granted: Callable[[str], Granted]) -> None:
        self._index = parts.index
        self._running = parts.start()
        # A broken save lets go of packages that the next one needs again: they are kept until the end.
        parts.environments.on_release = _nothing
        self._source = source
        self._granted = granted
        self._stop = threading.Event()
        self._progress = Progress(0.0)
        self._ref: PluginRef | None = None
        self._name: str | None = None
        self._worker: Worker | None = None
        self._kept = ExitStack()
        self._tools: tuple[ToolSpec, ...] | None = None
        self._lines: tuple[LogLine, ...] = ()
        self._seen: Glance | None = None

    def __enter__(self) -> "Development":
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def happenings(self) -> Iterator[Happening]:
        """Load the plugin, then again after each save, and give what comes of it, until :meth:`stop`.

        :raises NotFound: when the folder is gone.
        """
        yield from self._reload()
        for _ in self._looks():
            yield from self._reload()

    def stop(self) -> None:
        """End :meth:`happenings`, also in the middle of a load. From any thread, but not from a signal's handler."""
        self._stop.set()
        self._progress.cancelled.set()

    def load(self) -> Loaded | Broken:
        """Load the folder as it is now.

        :raises NotFound: when it is gone.
        """
        self._source.require()
        started = time.perf_counter()
        self._seen = self._source.glance()
        try:
            return self._load(started)
        except CadenceError as error:
            faults = error.faults or tuple(Fault("load", "refused", sentence) for sentence in error.sentences)
            answering = self._worker.ref.version if self._worker and not self._worker.gone else None
            return Broken(_ms_since(started), error.message, faults, answering)

    def call(self, tool: str, args: Mapping[str, Any]) -> Called:
        """Call a tool of the version that answers."""
        started = time.perf_counter()
        worker = self._worker
        if worker is None:
            return Called(tool, 0.0, error="Nothing has loaded yet.")
        try:
            result = worker.call(tool, args, worker.limits.call_seconds)
        except Draining:
            return Called(tool, _ms_since(started), error="The plugin's process has ended. Save to start it again.")
        except CadenceError as error:
            return Called(tool, _ms_since(started), error=f"{error.message}: {error.in_words}")
        return Called(tool, _ms_since(started), result)

    def new_lines(self) -> tuple[str, ...]:
        """What the plugin has written since this was last asked. Where it writes faster than it is read, the rest."""
        if self._name is None:
            return ()
        before, now = self._lines, self._running.logs.tail(self._name, _LINES)
        self._lines = now
        known = next((count for count in range(len(now), 0, -1) if before[-count:] == now[:count]), 0)
        return tuple(line.text for line in now[known:])

    def _reload(self) -> Iterator[Happening]:
        """What there is to tell since the last look."""
        self._source.require()
        if self._worker is not None and self._worker.ended.is_set():
            words, self._worker = f"its process {self._worker.end_words}", None
            yield Ended(words)
        if self._source.glance() != self._seen:
            happening = self.load()
            if not self._stop.is_set():
                yield happening

    def _looks(self) -> Iterator[object]:
        """A moment to look at the folder: when something was saved, and every now and then."""
        try:
            yield from watch(
                self._source.folder,
                watch_filter=self._is_save,
                debounce=_GROUPED_MS,
                step=_QUIET_MS,
                stop_event=self._stop,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
                ignore_permission_denied=True,
            )
        except (OSError, RuntimeError):  # the folder went, or the host watches as many as it can
            while not self._stop.wait(_LOOK_MS / 1000):
                yield None

    def _load(self, started: float) -> Loaded:
        with self._running.examiner.scratch() as (tree, _), ExitStack() as stack:
            self._source.copy(tree)
            ref = self._identify()
            self._name = ref.name
            self._follow_grants(ref.name)
            self._progress = Progress(0.0)
            if self._stop.is_set():
                self._progress.cancelled.set()
            examined = self._running.examiner.examine(ref, tree, self._progress, stack, "save it again")
            kept = stack.pop_all()
        self._kept.close()
        before, tools = self._tools, examined.worker.report.tools
        self._ref, self._worker, self._kept, self._tools = ref, examined.worker, kept, tools
        return Loaded(
            ref=ref,
            ms=_ms_since(started),
            tools=tools,
            again=before is not None,
            changes=ToolChanges() if before is None else _changes(before, tools),
            warnings=examined.warnings,
            installed=examined.provided.planned.installed,
        )

    def _identify(self) -> PluginRef:
        """Name and version; while the files do not tell them, those of the load before."""
        try:
            return self._source.identify()
        except CadenceError:
            if self._ref is None:
                raise
            return self._ref

    def _follow_grants(self, name: str) -> None:
        """Permit the plugin what the real instance does: grants may change while it is developed."""
        granted = self._granted(name).grants
        if self._index.granted(name).grants != granted:
            self._index.put_grants(name, granted)

    def _is_save(self, _: Change, path: str) -> bool:
        return self._source.has(path)


def _changes(before: Sequence[ToolSpec], now: Sequence[ToolSpec]) -> ToolChanges:
    old, new = ({tool.name: tool for tool in tools} for tools in (before, now))
    return ToolChanges(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in new if name in old and new[name] != old[name]),
    )


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _nothing() -> None:
    """Nobody waits for what was let go of."""
