"""The one way in: what a plugin requires becomes a plan, and a plan an environment that is ready."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from cadence.dependencies.command import IndexOptions, Uv
from cadence.dependencies.environment import Environments, Lease
from cadence.dependencies.host import SDK, preloaded
from cadence.dependencies.lock import Lock
from cadence.dependencies.requirement import read
from cadence.dependencies.resolver import resolve
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
    ) -> None:
        self.environments = environments
        self._resolutions = resolutions
        self._idle_seconds = idle_seconds
        self._wheelhouse = wheelhouse
        self._offline = offline
        self._allow_sdist = allow_sdist
        self._options = options or IndexOptions()
        self._constraints = preloaded() if constraints is None else tuple(constraints)

    def plan(self, order: Order, progress: Progress, *, sizes: bool = False) -> Planned:
        """Resolve what a plugin requires; nothing is installed.

        :param sizes: also find out how large the wheels are.
        :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
        :raises Cancelled: when the install was cancelled.
        """
        lock = resolve(order.requirements, self._constraints, self._uv(progress))
        installed = tuple(one.text for one in read(order.requirements) if one.name != SDK)
        return Planned(order, lock, self._described(lock), installed)

    def provide(self, planned: Planned, progress: Progress) -> Provided:
        """Install what was planned and the host does not have. The caller closes the lease.

        :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
        :raises Cancelled: when the install was cancelled; nothing of it is left.
        :raises StorageFull: when there is no room; nothing of it is left.
        """
        lease = self.environments.ensure(planned.lock, self._uv(progress))
        return Provided(planned, planned.lock.key, lease, bool(planned.lock.isolated))

    def _uv(self, progress: Progress) -> Uv:
        return Uv(
            idle_seconds=self._idle_seconds,
            on_line=progress.say,
            on_count=progress.count,
            cancelled=progress.cancelled,
            options=self._options,
        )

    def _described(self, lock: Lock) -> DependencyPlan:
        added = tuple(Addition(one.name, one.version, one.requirement, one.size_bytes) for one in lock.packages)
        ready = lock.key is None or self.environments.path(lock.key).is_dir()
        return DependencyPlan(added, (), lock.isolated, lock.key, ready)
