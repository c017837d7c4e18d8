"""The wheels at hand: those in a plugin's archive first, then those of the operator's wheelhouse."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from cadence.dependencies.command import IndexOptions
from cadence.dependencies.failure import failed, fault
from cadence.dependencies.lock import Package
from cadence.dependencies.stand_in import put_stand_ins
from cadence.dependencies.wheel import SUFFIX, BrokenWheelError, LocalWheel, check, identify, sha256
from cadence.errors import DependenciesFailed


class Vendored(Struct, frozen=True):
    """The wheels of an archive: those for this Python and platform with their SHA-256, the others by file name."""

    digests: Mapping[LocalWheel, str]
    foreign: tuple[str, ...] = ()

    @property
    def identity(self) -> list[str]:
        """What tells them from others."""
        return sorted(f"{wheel.filename} {digest}" for wheel, digest in self.digests.items())


class Sources:
    """The wheels at hand, in a folder where uv finds them and nothing else.

    :ivar wheels: those for this Python and platform, the preferred ones first.
    :ivar foreign: the file names of the archive's wheels for others.
    """

    def __init__(self, scratch: Path, vendored: Vendored, wheelhouse: Iterable[LocalWheel]) -> None:
        pins = {wheel.pin for wheel in vendored.digests}
        # What the archive has stands for itself: another file of the same version is another package.
        others = (wheel for wheel in wheelhouse if wheel.pin not in pins)
        self._own = _newest_first(vendored.digests)
        self.wheels = (*self._own, *_newest_first(others))
        self.foreign = vendored.foreign
        self._digests = dict(vendored.digests)
        self._scratch = scratch
        self._provided: Path | None = None
        self._best = _best(self.wheels)
        self._folder = scratch / "wheels"
        self._folder.mkdir()
        for wheel in self.wheels:
            link = self._folder / wheel.filename
            if not link.is_symlink():
                link.symlink_to(wheel.path.absolute())

    def __bool__(self) -> bool:
        return bool(self.wheels)

    @property
    def names(self) -> frozenset[str]:
        """The packages of which there are some."""
        return frozenset(wheel.name for wheel in self.wheels)

    @property
    def pins(self) -> tuple[str, ...]:
        """Their versions to be preferred, as ``name==version``: of a name in the archive, only those there."""
        own = {wheel.name for wheel in self._own}
        others = (wheel for wheel in self.wheels if wheel.name not in own)
        return tuple(dict.fromkeys(wheel.pin for wheel in (*self._own, *others)))

    def wheel_of(self, package: Package) -> LocalWheel | None:
        """The one that is taken for a package of a lock."""
        return self._best.get((package.name, Version(package.version)))

    def digest(self, wheel: LocalWheel) -> str:
        """The SHA-256 of one, in hexadecimal.

        :raises BrokenWheelError: when it cannot be read.
        """
        if wheel not in self._digests:
            self._digests[wheel] = sha256(wheel.path)
        return self._digests[wheel]

    def has(self, package: Package) -> bool:
        """Whether the very file that a package was locked with is here."""
        wheel = self.wheel_of(package)
        try:
            return wheel is not None and f"sha256:{self.digest(wheel)}" in package.hashes
        except BrokenWheelError:
            return False

    def only(self) -> IndexOptions:
        """As if there were nothing else. What comes of it is kept in no cache that lasts."""
        folders = (self._folder, *self._stand_ins())
        return IndexOptions(find_links=folders, no_index=True, offline=True, cache=self._scratch / "cache")

    def before(self, options: IndexOptions, *, offline: bool, cache: Path | None = None) -> IndexOptions:
        """Before everything else that there is.

        :param cache: instead of that of the options.
        """
        stand_ins = self._stand_ins() if offline else ()
        return IndexOptions(
            index=options.index,
            find_links=(*([self._folder] if self.wheels else []), *stand_ins, *options.find_links),
            no_index=options.no_index,
            offline=offline or options.offline,
            cache=cache or options.cache,
        )

    def scratch_cache(self, *, offline: bool) -> Path | None:
        """A cache for a resolution with an index too, when uv's own would keep what it reads of an archive.

        Without the network that has to be uv's own.
        """
        return self._scratch / "cache" if self._own and not offline else None

    def stand_in_for(self, provided: Mapping[str, str]) -> None:
        """Have stand-ins for what the host provides, wherever there is no network; in place of earlier ones."""
        folder = Path(tempfile.mkdtemp(prefix="provided-", dir=self._scratch))
        put_stand_ins(provided, folder)
        self._provided = folder

    def _stand_ins(self) -> tuple[Path, ...]:
        return (self._provided,) if self._provided else ()


@contextlib.contextmanager
def opened(vendored: Vendored, wheelhouse: Path | None) -> Iterator[Sources]:
    """The wheels at hand, until the block ends.

    :raises DependenciesFailed: when the wheelhouse is not there.
    """
    others = _wheelhouse(wheelhouse)
    with tempfile.TemporaryDirectory(prefix="cadence-", ignore_cleanup_errors=True) as scratch:
        yield Sources(Path(scratch), vendored, others)


def read_vendored(folder: Path | None, proceed: Callable[[], None] = lambda: None) -> Vendored:
    """Look at the wheels of an archive. Other files in the folder do not count; links are not followed.

    :param proceed: is called before each file, to raise where it is no longer wanted.
    :raises DependenciesFailed: with a fault for every file that is called a wheel and is none.
    """
    digests: dict[LocalWheel, str] = {}
    foreign, faults = [], []
    # Its own wheels: a folder in their midst is not searched.
    for path in sorted(folder.iterdir()) if folder and not folder.is_symlink() and folder.is_dir() else ():
        if not path.name.lower().endswith(SUFFIX):
            continue
        proceed()
        try:
            wheel = identify(path)
            if wheel.fits:
                digests[wheel] = check(wheel)
            else:
                foreign.append(path.name)
        except BrokenWheelError as broken:
            words = f"This file of the archive cannot be used: {broken}. Pack the plugin again or leave it out."
            faults.append(fault("broken_wheel", words, f"{path.parent.name}/{path.name}"))
    if faults:
        raise failed(*faults)
    return Vendored(digests, tuple(foreign))


def _wheelhouse(folder: Path | None) -> list[LocalWheel]:
    """The wheels of the operator's folder that fit. What is in it is theirs: it is not looked into before it counts."""
    if folder is None:
        return []
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX) and path.is_file())
    except OSError:
        words = "The wheelhouse of this server (CADENCE_WHEELHOUSE) cannot be read: {}. Its operator has to "
        reason = "there is no such folder" if not folder.exists() else "it is not a folder that this server may read"
        raise DependenciesFailed(words.format(reason) + "create it, or not set it.") from None
    found = []
    for path in paths:
        with contextlib.suppress(BrokenWheelError):
            found.append(replace(identify(path), path=path.resolve()))
    return [wheel for wheel in found if wheel.fits]


def _newest_first(wheels: Iterable[LocalWheel]) -> list[LocalWheel]:
    return sorted(wheels, key=lambda wheel: (wheel.version, wheel.rank), reverse=True)


def _best(wheels: Iterable[LocalWheel]) -> dict[tuple[str, Version], LocalWheel]:
    """By name and version, the one that uv takes."""
    best: dict[tuple[str, Version], LocalWheel] = {}
    for wheel in wheels:
        key = (wheel.name, wheel.version)
        if key not in best or wheel.rank > best[key].rank:
            best[key] = wheel
    return best
