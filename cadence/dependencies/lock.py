"""What a resolution came to: exact versions with the hashes of their files."""

import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

# Rises when an environment that was made before must not be taken for one that would be made now.
_FORMAT = 2
_KEY_CHARACTERS = 32


class Package(Struct, frozen=True):
    """One package: its canonical name, version, and hashes as ``sha256:…``.

    ``requirement`` is the requirement of the plugin, as written, that brought it in, or the SDK's name where that did.
    ``via`` are the packages that need it; ``local`` is whether it was locked with a wheel at hand, in the archive or
    the wheelhouse; ``built`` whether it has no wheel for this platform and is built. ``size_bytes`` is the size of its
    wheel, None where it is not known. Of all these only name, version and hashes are in the lock's text and its key.
    """

    name: str
    version: str
    hashes: tuple[str, ...]
    requirement: str
    size_bytes: int | None = None
    via: tuple[str, ...] = ()
    local: bool = False
    built: bool = False

    @property
    def line(self) -> str:
        """Itself in the ``requirements.txt`` format, on one line."""
        return " ".join([f"{self.name}=={self.version}", *(f"--hash={one}" for one in sorted(self.hashes))])


class Lock(Struct, frozen=True):
    """The packages to install beside those that the host provides, sorted by name.

    ``isolated`` says in sentences why what the host provides does not fit, so that these are all that the plugin's
    worker imports; empty where it does.
    """

    packages: tuple[Package, ...] = ()
    isolated: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Itself in the ``requirements.txt`` format; equal for equal packages. Names no index."""
        return "".join(f"{package.line}\n" for package in self.packages)

    @property
    def key(self) -> str | None:
        """What identifies an environment made from it on this Python and platform; ``None`` when none is needed."""
        if not self.packages:
            return None
        python = f"{_FORMAT} {sys.implementation.cache_tag} {sysconfig.get_platform()} {bool(self.isolated)}\n"
        return hashlib.sha256((python + self.text).encode()).hexdigest()[:_KEY_CHARACTERS]

    @property
    def built(self) -> bool:
        """Whether something in it has to be built."""
        return any(package.built for package in self.packages)

    @property
    def culprits(self) -> dict[str, str]:
        """Canonical name to the requirement that brought the package in."""
        return {package.name: package.requirement for package in self.packages}


def parse(compiled: str, declared: Mapping[str, str], provided: Mapping[str, str], otherwise: str = "") -> Lock:
    """Read the output of ``uv pip compile`` with hashes and ``# via`` comments on one line.

    :param compiled: in the ``requirements.txt`` format.
    :param declared: canonical name to requirement, for those that the plugin declared.
    :param provided: canonical name to version, for those that the host provides: they are left out.
    :param otherwise: what brought in the packages that none of those leads to; by default any of them may have.
    """
    entries = list(_entries(compiled))
    via = {entry.name: entry.via for entry in entries}
    packages = [
        Package(
            entry.name, entry.version, entry.hashes, _requirement(entry.name, via, declared, otherwise), via=entry.via
        )
        for entry in entries
        if provided.get(entry.name) != entry.version
    ]
    return Lock(tuple(sorted(packages, key=lambda package: package.name)))


def retrace(lock: Lock, declared: Mapping[str, str], otherwise: str = "") -> Lock:
    """The lock, each package traced to the requirements of another plugin that came to the same."""
    via = {package.name: package.via for package in lock.packages}
    traced = (replace(one, requirement=_requirement(one.name, via, declared, otherwise)) for one in lock.packages)
    return replace(lock, packages=tuple(traced))


class _Entry(Struct, frozen=True):
    name: str
    version: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]


def _entries(compiled: str) -> Iterator[_Entry]:
    """Each package begins at the margin; its hashes and its comment are indented."""
    blocks: list[list[str]] = []
    for line in compiled.splitlines():
        if line[:1].isspace() and blocks:
            blocks[-1].append(line.strip().removesuffix("\\").strip())
        elif line and line[0] not in "-#":
            blocks.append([line.removesuffix("\\").strip()])
    for pinned, *rest in blocks:
        name, _, version = pinned.partition("==")
        hashes = tuple(part.removeprefix("--hash=") for part in rest if part.startswith("--hash="))
        yield _Entry(canonicalize_name(name), version, hashes, tuple(_via(rest)))


def _via(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("# via "):
            yield from (canonicalize_name(part.strip()) for part in line.removeprefix("# via ").split(","))


def _requirement(name: str, via: Mapping[str, tuple[str, ...]], declared: Mapping[str, str], otherwise: str) -> str:
    """The declared requirement from which a package is reached in the fewest steps."""
    seen: dict[str, None] = {name: None}
    for current in (queue := [name]):
        if current in declared:
            return declared[current]
        fresh = [one for one in via.get(current, ()) if one not in seen]
        seen |= dict.fromkeys(fresh)
        queue += fresh
    return otherwise or ", ".join(declared.values())
