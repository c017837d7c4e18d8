"""The packages that plugins bring: by version, from the lock that is kept with it, and by environment."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from cadence.dependencies import memory
from cadence.dependencies.environment import Usage
from cadence.model import PluginRef, VersionRecord
from cadence.storage.index import Index


class Packages(Struct, frozen=True):
    """The packages of one version, as ``name`` and ``version``, and its lock as a ``requirements.txt`` with hashes.

    ``isolated`` says in sentences why it has an interpreter of its own, where it has one. ``shared_with`` are the other
    versions, of any plugin, that import the very same files. Without packages, or where the lock is lost, all is empty.
    """

    packages: tuple[tuple[str, str], ...] = ()
    isolated: tuple[str, ...] = ()
    lock: str = ""
    shared_with: tuple[PluginRef, ...] = ()


class EnvironmentView(Struct, frozen=True):
    """An environment on the disk: its packages as ``name==version``, since when (UTC, ISO 8601), and who uses it.

    ``isolated`` is whether it holds all that its plugins import; null where no version uses it.
    """

    key: str
    size_bytes: int
    packages: tuple[str, ...]
    made_at: str
    isolated: bool | None
    used_by: tuple[str, ...]


def packages_of(index: Index, record: VersionRecord) -> Packages:
    """What is kept of the packages of a version."""
    text = index.lock_of(record.environment) if record.environment else None
    lock = memory.read(text) if text is not None else None
    if lock is None:
        return Packages()
    packages = tuple((one.name, one.version) for one in lock.packages)
    others = tuple(ref for ref in index.versions_in(record.environment or "") if ref != record.ref)
    return Packages(packages, lock.isolated, lock.text, others)


def environment_views(usages: Iterable[Usage], versions: Sequence[VersionRecord]) -> list[EnvironmentView]:
    """What there is, the largest first, and who needs it."""
    views = []
    for usage in usages:
        users = [record for record in versions if record.environment == usage.key]
        isolated = users[0].isolated if users else None
        used_by = tuple(record.ref.slug for record in users)
        views.append(EnvironmentView(usage.key, usage.size_bytes, usage.packages, usage.made_at, isolated, used_by))
    return sorted(views, key=lambda view: (-view.size_bytes, view.key))
