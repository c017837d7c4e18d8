"""The packages that plugins bring: by version, from the lock that is kept with it, and by environment."""

from collections.abc import Iterable, Sequence, Set

from msgspec import Struct
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cadence.dependencies import memory
from cadence.dependencies.environment import Environments, Usage
from cadence.dependencies.lock import Package
from cadence.model import PluginRef, VersionRecord
from cadence.storage.index import Index


class BroughtPackage(Struct, frozen=True):
    """A package, and who needs it: the plugin itself, where it is ``required``, and those of ``needed_by``.

    ``built`` is whether there is no wheel of it for this platform, so that it was built here.
    """

    name: str
    version: str
    required: bool = False
    needed_by: tuple[str, ...] = ()
    built: bool = False


class Packages(Struct, frozen=True):
    """The packages of one version, and its lock as a ``requirements.txt`` with hashes.

    ``isolated`` says in sentences why it has an interpreter of its own, where it has one. ``shared_with`` are the other
    versions, of any plugin, that import the very same files, and ``size_bytes`` is the room these take on the disk,
    None where they are not there. Without packages, or where the lock is lost, all is empty.
    """

    packages: tuple[BroughtPackage, ...] = ()
    isolated: tuple[str, ...] = ()
    lock: str = ""
    shared_with: tuple[PluginRef, ...] = ()
    size_bytes: int | None = None


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


def packages_of(index: Index, environments: Environments, record: VersionRecord) -> Packages:
    """What is kept of the packages of a version."""
    key = record.environment
    text = index.lock_of(key) if key else None
    lock = memory.read(text) if text is not None else None
    if lock is None or key is None:
        return Packages()
    required = {canonicalize_name(Requirement(text).name) for text in record.dependencies_installed}
    packages = tuple(_brought(one, required) for one in lock.packages)
    others = tuple(ref for ref in index.versions_in(key) if ref != record.ref)
    return Packages(packages, lock.isolated, lock.text, others, environments.size_bytes(key))


def _brought(package: Package, required: Set[str]) -> BroughtPackage:
    is_required = package.name in required
    return BroughtPackage(package.name, package.version, is_required, package.via, package.built)


def environment_views(usages: Iterable[Usage], versions: Sequence[VersionRecord]) -> list[EnvironmentView]:
    """What there is, the largest first, and who needs it."""
    views = []
    for usage in usages:
        users = [record for record in versions if record.environment == usage.key]
        isolated = users[0].isolated if users else None
        used_by = tuple(record.ref.slug for record in users)
        views.append(EnvironmentView(usage.key, usage.size_bytes, usage.packages, usage.made_at, isolated, used_by))
    return sorted(views, key=lambda view: (-view.size_bytes, view.key))
