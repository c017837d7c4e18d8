"""The one way in: what a plugin requires becomes an environment that is ready."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from cadence.dependencies.command import Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.host import SDK, preloaded
from cadence.dependencies.requirement import read
from cadence.dependencies.resolver import resolve


class Provided(Struct, frozen=True):
    """A plugin's dependencies, ready.

    ``key`` names the environment and ``path`` is its folder, to be put first on the worker's import path; both are
    ``None`` when the host has all that is needed. ``installed`` are the requirements as the plugin wrote them, but for
    the SDK and those that do not count on this Python and platform. ``lock`` is in the ``requirements.txt`` format.
    """

    key: str | None = None
    path: Path | None = None
    installed: tuple[str, ...] = ()
    lock: str = ""


def provide(
    requirements: Sequence[str], environments: Environments, uv: Uv, constraints: Sequence[str] | None = None
) -> Provided:
    """Resolve what a plugin requires and install what the host does not have.

    :param requirements: dependency specifiers (PEP 508) as the plugin wrote them.
    :param constraints: what every worker has preloaded, as lines ``name==version``; by default what is.
    :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
    :raises Cancelled: when the install was cancelled; nothing of it is left.
    :raises StorageFull: when there is no room; nothing of it is left.
    """
    lock = resolve(requirements, preloaded() if constraints is None else constraints, uv)
    path = environments.ensure(lock, uv)
    installed = tuple(one.text for one in read(requirements) if one.name != SDK)
    return Provided(lock.key, path, installed, lock.text)
