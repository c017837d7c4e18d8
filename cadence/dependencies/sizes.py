"""How large the wheels of a lock are, by what the index says of them."""

import tomllib
from collections.abc import Sequence
from urllib.parse import unquote

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from cadence.dependencies.command import Ended, Uv
from cadence.dependencies.lock import Lock, Package
from cadence.dependencies.sources import Sources
from cadence.dependencies.wheel import tag_rank


class _Wheel(Struct):
    """A wheel in a lock file; it has a name of its own or is called by the end of its place."""

    name: str = ""
    path: str = ""
    url: str = ""
    size: int | None = None

    @property
    def rank(self) -> int | None:
        """How close its tags are to this Python and platform, 0 the closest; None where it does not fit."""
        place = self.name or self.path or self.url
        return tag_rank(unquote(place.partition("#")[0].partition("?")[0]).rpartition("/")[2])


class _Entry(Struct):
    """A package in a lock file."""

    name: str
    wheels: list[_Wheel] = []

    @property
    def best(self) -> _Wheel | None:
        """The wheel that uv takes."""
        ranked = [(rank, wheel) for wheel in self.wheels if (rank := wheel.rank) is not None]
        return min(ranked, key=lambda one: one[0])[1] if ranked else None


class _Listing(Struct):
    """A lock file (PEP 751, ``pylock.toml``), as far as it counts here."""

    packages: list[_Entry] = []


def measured(lock: Lock, sources: Sources, uv: Uv) -> Lock:
    """The lock with the sizes that can be found out; what it identifies stays the same.

    :raises Cancelled: when it was cancelled.
    """
    elsewhere = [one for one in lock.packages if sources.wheel_of(one) is None]
    best = {one.name: one.best for one in (_described(elsewhere, uv) if elsewhere else ())}
    sizes = {name: wheel.size for name, wheel in best.items() if wheel}
    packages = (replace(one, size_bytes=_local_size(one, sources) or sizes.get(one.name)) for one in lock.packages)
    return replace(lock, packages=tuple(packages))


def without_wheels(lock: Lock, uv: Uv) -> frozenset[str]:
    """The names of the packages that have to be built: those without a wheel for this Python and platform.

    :raises Cancelled: when it was cancelled.
    """
    with_wheel = {one.name for one in _described(lock.packages, uv) if one.best}
    return frozenset(one.name for one in lock.packages) - with_wheel


def _local_size(package: Package, sources: Sources) -> int | None:
    wheel = sources.wheel_of(package)
    return wheel.path.stat().st_size if wheel else None


def _described(packages: Sequence[Package], uv: Uv) -> list[_Entry]:
    """The packages as a lock file describes them; none where uv cannot say.

    That holds addresses, which must not be passed on.
    """
    try:
        output = uv.run(
            "compile",
            "-",
            "--format=pylock.toml",
            "--no-header",
            "--no-deps",
            *([] if uv.builds else ["--only-binary=:all:"]),
            stdin="".join(f"{one.name}=={one.version}\n" for one in packages),
        )
        listing = msgspec.convert(tomllib.loads(output.stdout if output.code == 0 else ""), _Listing)
    except (Ended, tomllib.TOMLDecodeError, msgspec.ValidationError):
        return []
    return [replace(one, name=canonicalize_name(one.name)) for one in listing.packages]
