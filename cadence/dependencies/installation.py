"""The one way in: what a plugin requires becomes a plan, and a plan an environment that is ready."""

import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from cadence.dependencies import memory
from cadence.dependencies.building import Workbench
from cadence.dependencies.command import IndexOptions, Uv
from cadence.dependencies.environment import EnvironmentMissing, Environments, Lease
from cadence.dependencies.failure import failed
from cadence.dependencies.host import SDK, preloaded
from cadence.dependencies.isolation import conflicts, sdk_needs
from cadence.dependencies.lock import Lock
from cadence.dependencies.requirement import Declared, read
from cadence.dependencies.resolver import by_name, versions
from cadence.dependencies.search import Tools, not_downloaded, search
from cadence.dependencies.sizes import measured
from cadence.dependencies.sources import Sources, Vendored, opened, read_vendored
from cadence.dependencies.split import LocalUv, SplitUv
from cadence.dependencies.vendoring import Wheel, vendor
from cadence.errors import DependenciesFailed
from cadence.model import Addition, DependencyPlan, Endpoint
from cadence.progress import Progress

#: The folder of an archive that may hold wheels.
VENDORED = "wheels"


class Order(Struct, frozen=True):
    """What one plugin needs.

    ``requirements`` are dependency specifiers (PEP 508) as the plugin wrote them, ``vendored`` the folder of the
    wheels in its archive, None without. With ``upgrade`` what was resolved before does not count. ``network`` is where
    it may connect, and so what is built for it may.
    """

    requirements: tuple[str, ...] = ()
    vendored: Path | None = None
    upgrade: bool = False
    network: tuple[Endpoint, ...] = ()


class Planned(Struct, frozen=True):
    """A plan, and the lock it was made of.

    ``installed`` are the requirements as the plugin wrote them, but for the SDK and those that do not count on this
    Python and platform.
    """

    order: Order
    lock: Lock
    plan: DependencyPlan
    installed: tuple[str, ...]


class Provided(Struct, frozen=True):
    """A plugin's dependencies, ready.

    ``key`` names the environment; ``lease`` keeps it and has its folder, to be put first on the worker's import path.
    Both are None when the host has all that is needed. ``isolated`` is whether the worker must import nothing of what
    the host provides.
    """

    planned: Planned
    key: str | None = None
    lease: Lease | None = None
    isolated: bool = False

    @property
    def path(self) -> Path | None:
        """The folder of the environment."""
        return self.lease.path if self.lease else None


class Resolutions(Protocol):
    """Remembers what was resolved. Locks are given and taken as text."""

    def find_resolution(self, inputs: str) -> str | None:
        """The lock that the same inputs came to last time."""

    def keep_resolution(self, inputs: str, environment: str, lock: str) -> None:
        """Remember it, in the place of an earlier one of the same inputs."""


class Dependencies:
    """Plans and provides what plugins require.

    :param idle_seconds: a run of the installer that makes no progress for so long is ended.
    :param wheelhouse: the operator's folder of wheels.
    :param offline: without any network.
    :param allow_sdist: build what has no wheel, inside the sandbox.
    :param options: where packages come from; by default what the host's own settings of uv say.
    :param constraints: what every worker has preloaded, as lines ``name==version``; by default what is.
    :param workshop: where to build for an order, which takes ``allow_sdist`` too.
    """

    def __init__(
        self,
        environments: Environments,
        resolutions: Resolutions,
        *,
        idle_seconds: float,
        wheelhouse: Path | None = None,
        offline: bool = False,
        allow_sdist: bool = False,
        options: IndexOptions | None = None,
        constraints: Sequence[str] | None = None,
        workshop: Callable[[Order], AbstractContextManager[Workbench]] | None = None,
    ) -> None:
        self.environments = environments
        self._resolutions = resolutions
        self._idle_seconds = idle_seconds
        self._wheelhouse = wheelhouse
        self._options = options or IndexOptions()
        self._offline = offline or self._options.offline
        self._constraints = preloaded() if constraints is None else tuple(constraints)
        self._workshop = workshop if allow_sdist else None

    def plan(self, order: Order, progress: Progress, *, sizes: bool = False) -> Planned:
        """Resolve what a plugin requires; nothing is installed.

        What the same requirements came to last time is taken again, unless the order is an upgrade.

        :param sizes: also find out how large the wheels are that would have to come.
        :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
        :raises Cancelled: when the install was cancelled.
        """
        declared = read(order.requirements)
        vendored = read_vendored(order.vendored, self._uv(progress).raise_if_cancelled)
        inputs = self._inputs(declared, vendored, order)
        lock = None if order.upgrade else self._remembered(inputs, declared)
        if lock is None or not self._is_ready(lock):
            with opened(vendored, self._wheelhouse) as sources:
                if lock is None or not self._can_be_had(lock, sources):
                    lock = search(declared, versions(self._constraints), self._tools(order, sources, progress))
                    if lock.key is not None:
                        self._resolutions.keep_resolution(inputs, lock.key, memory.write(lock))
                if sizes and not self._is_ready(lock):
                    options = sources.before(self._options, offline=self._offline)
                    lock = measured(lock, sources, self._uv(progress, options, quiet=True))
        return Planned(
            order, lock, self._described(lock, declared), tuple(one.text for one in declared if one.name != SDK)
        )

    def provide(self, planned: Planned, progress: Progress) -> Provided:
        """Install what was planned and the host does not have. The caller closes the lease.

        :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
        :raises Cancelled: when the install was cancelled; nothing of it is left.
        :raises StorageFull: when there is no room; nothing of it is left.
        """
        lock = planned.lock
        if lock.key is None:
            return Provided(planned)
        try:
            lease: Lease | None = self.environments.lease(self.environments.path(lock.key))
        except EnvironmentMissing:
            with self._ready_to_install(planned, progress) as uv:
                lease = self.environments.ensure(lock, uv)
        return Provided(planned, lock.key, lease, bool(lock.isolated))

    def vendor(self, planned: Planned, progress: Progress, into: Path) -> tuple[Wheel, ...]:
        """Get what was planned as wheel files in a folder, instead of installing it.

        :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
        :raises Cancelled: when it was cancelled.
        :raises StorageFull: when there is no room for it.
        """
        with self._ready_to_install(planned, progress) as uv:
            return vendor(planned.lock, uv, into)

    def _inputs(self, declared: Sequence[Declared], vendored: Vendored, order: Order) -> str:
        """What tells everything that decides a resolution here from what would decide another, but for the index."""
        return memory.digest_of(
            {
                "platform": [sys.implementation.cache_tag, sysconfig.get_platform()],
                "requirements": sorted({str(one.parsed) for one in declared}),
                "provided": sorted(self._constraints),
                "sdk": sorted(str(one.parsed) for one in sdk_needs()),
                "vendored": vendored.identity,
                "builds": self._workshop is not None,
            }
        )

    def _remembered(self, inputs: str, declared: Sequence[Declared]) -> Lock | None:
        why = conflicts(declared, versions(self._constraints))
        return memory.recall(self._resolutions.find_resolution(inputs), by_name(declared), why)

    def _is_ready(self, lock: Lock) -> bool:
        return lock.key is None or self.environments.path(lock.key).is_dir()

    def _can_be_had(self, lock: Lock, sources: Sources) -> bool:
        """Whether the files of a lock from earlier are where they were, as far as that can be told."""
        if self._is_ready(lock):
            return True
        return all(sources.has(one) or not (one.local or self._offline) for one in lock.packages)

    def _tools(self, order: Order, sources: Sources, progress: Progress) -> Tools:
        def run(options: IndexOptions, bench: Workbench | None, quiet: bool) -> Uv:
            return self._uv(progress, options, bench, quiet=quiet)

        workshop = self._workshop
        workbench = None if workshop is None else lambda: workshop(order)
        return Tools(sources, self._options, self._offline, run, progress.say, workbench)

    @contextmanager
    def _ready_to_install(self, planned: Planned, progress: Progress) -> Iterator[Uv]:
        """A uv that finds the files of a lock; says which are missing where that is why it fails."""
        order, lock = planned.order, planned.lock
        vendored = read_vendored(order.vendored, self._uv(progress).raise_if_cancelled)
        with opened(vendored, self._wheelhouse) as sources, self._workbench(planned) as bench:
            try:
                yield self._installer(lock, sources, progress, bench)
            except DependenciesFailed as failure:
                if not self._offline or all(one.code != "index_unreachable" for one in failure.faults):
                    raise
                options = sources.before(self._options, offline=True)
                raise failed(
                    *not_downloaded(lock, sources, self._uv(progress, options, quiet=True)) or failure.faults
                ) from None

    def _installer(self, lock: Lock, sources: Sources, progress: Progress, bench: Workbench | None) -> Uv:
        """Takes from an index only what is not at hand."""
        options = sources.before(self._options, offline=self._offline, cache=bench.cache if bench else None)
        other, local = self._uv(progress, options, bench), self._uv(progress, sources.only())
        at_hand = [one for one in lock.packages if sources.has(one)]
        if len(at_hand) in (0, len(lock.packages)):
            return local if at_hand else other
        return SplitUv({one.hashes[0] for one in at_hand}, local, other, progress.say)

    def _workbench(self, planned: Planned) -> AbstractContextManager[Workbench | None]:
        if self._workshop is None or not planned.lock.built:
            return nullcontext()
        return self._workshop(planned.order)

    def _uv(
        self,
        progress: Progress,
        options: IndexOptions | None = None,
        bench: Workbench | None = None,
        *,
        quiet: bool = False,
    ) -> Uv:
        # Options of the wheels at hand name all that may be used.
        kind = LocalUv if options is not None and options.no_index and options.offline else Uv
        return kind(
            idle_seconds=self._idle_seconds,
            on_line=_unsaid if quiet else progress.say,
            on_count=_uncounted if quiet else progress.count,
            cancelled=progress.cancelled,
            options=options or self._options,
            python=bench.python if bench else None,
            builds=bench is not None,
            verify=bench.verify if bench else lambda: None,
        )

    def _described(self, lock: Lock, declared: Sequence[Declared]) -> DependencyPlan:
        added = tuple(Addition(one.name, one.version, one.requirement, one.size_bytes) for one in lock.packages)
        available = {} if lock.isolated else versions(self._constraints)
        provided = dict.fromkeys(f"{one.name}=={available[one.name]}" for one in declared if one.name in available)
        return DependencyPlan(added, tuple(provided), lock.isolated, lock.key, self._is_ready(lock))


def _unsaid(_: str) -> None:
    """Say nothing."""


def _uncounted(_: int, __: int) -> None:
    """Count nothing."""
