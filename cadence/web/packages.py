"""The packages that plugins bring: by version, from the lock that is kept with it, and by environment."""

from collections.abc import Iterable, Mapping, Sequence, Set

from msgspec import Struct

from cadence.dependencies import memory
from cadence.dependencies.environment import Environments, Usage
from cadence.dependencies.host import SDK
from cadence.dependencies.isolation import sdk_needs
from cadence.dependencies.lock import Lock, Package
from cadence.dependencies.requirement import names
from cadence.model import PluginRef, VersionRecord
from cadence.storage.index import Index

#: How many of those that need a package are named where it is shown in a line.
_NAMED = 4


class PackageView(Struct, frozen=True):
    """One package that a version brings, and why.

    ``size_bytes`` is the room that it takes on the disk, null where that is not known. ``required`` is whether the
    plugin requires it itself; ``needed_by`` are the packages that do, the SDK among them where it has to be brought.
    ``built`` is whether there is no wheel of it for this platform, so that it was built here.
    """

    name: str
    version: str
    size_bytes: int | None = None
    required: bool = False
    needed_by: tuple[str, ...] = ()
    built: bool = False

    @property
    def needed_by_words(self) -> str:
        """Who needs it, in words, of many the first few; empty where that is not known."""
        all_of_them = (*(("the plugin",) if self.required else ()), *self.needed_by)
        more = len(all_of_them) - _NAMED
        return ", ".join(all_of_them[:_NAMED]) + (f" and {more} more" if more > 0 else "")


class Packages(Struct, frozen=True):
    """The packages of one version, and its lock as a ``requirements.txt`` with hashes.

    ``isolated`` says in sentences why it has an interpreter of its own, where it has one. ``shared_with`` are the other
    versions, of any plugin, that import the very same files, and ``size_bytes`` the room that these take on the disk,
    null where they are not there. Without packages, or where the lock is lost, there are none.
    """

    packages: tuple[PackageView, ...] = ()
    isolated: tuple[str, ...] = ()
    lock: str = ""
    shared_with: tuple[PluginRef, ...] = ()
    size_bytes: int | None = None


class EnvironmentView(Struct, frozen=True):
    """An environment on the disk: its packages as ``name==version``, since when (UTC, ISO 8601), and who uses it.

    ``isolated`` is whether it holds all that its plugins import; null where no version uses it. ``package_bytes`` is
    the room of each package by its name, without those of which it is not known.
    """

    key: str
    size_bytes: int
    packages: tuple[str, ...]
    made_at: str
    isolated: bool | None
    used_by: tuple[str, ...]
    package_bytes: dict[str, int] = {}


def packages_of(index: Index, environments: Environments, record: VersionRecord) -> Packages:
    """What is kept of the packages of a version, and the room that they take.

    Of versions with equal locks one lock is kept: where their requirements differ in extras, which of its packages
    need which others may be what it is for another of them.
    """
    key = record.environment or ""
    text = index.lock_of(key) if key else None
    lock = memory.read(text) if text is not None else None
    room = environments.room(key) if key else None
    size_bytes = room.size_bytes if room else None
    if lock is None:
        return Packages(size_bytes=size_bytes)
    views = package_views(lock, record.dependencies_installed, room.packages if room else {})
    others = tuple(ref for ref in index.versions_in(key) if ref != record.ref)
    return Packages(views, lock.isolated, lock.text, others, size_bytes)


def package_views(lock: Lock, requirements: Iterable[str], sizes: Mapping[str, int]) -> tuple[PackageView, ...]:
    """The packages of a lock, and why each is there.

    :param requirements: those of the plugin, as it wrote them.
    :param sizes: canonical name to the room that a package takes, in bytes.
    """
    required = names(requirements)
    # In an interpreter of its own it has what the SDK needs too.
    of_sdk = frozenset(one.name for one in sdk_needs()) if lock.isolated else frozenset()
    return tuple(
        PackageView(
            one.name, one.version, sizes.get(one.name), one.name in required, _needed_by(one, of_sdk), one.built
        )
        for one in lock.packages
    )


def _needed_by(package: Package, of_sdk: Set[str]) -> tuple[str, ...]:
    # One that has extras of its own can need itself.
    needing = {*package.via, *((SDK,) if package.name in of_sdk else ())} - {package.name}
    return tuple(sorted(needing))


def environment_views(usages: Iterable[Usage], versions: Sequence[VersionRecord]) -> list[EnvironmentView]:
    """What there is, the largest first, and who needs it."""
    views = []
    for usage in usages:
        users = [record for record in versions if record.environment == usage.key]
        isolated = users[0].isolated if users else None
        used_by = tuple(record.ref.slug for record in users)
        views.append(
            EnvironmentView(
                usage.key, usage.size_bytes, usage.packages, usage.made_at, isolated, used_by, usage.package_bytes
            )
        )
    return sorted(views, key=lambda view: (-view.size_bytes, view.key))
