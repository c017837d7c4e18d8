"""Exactly which wheels are not at hand, found by walking the requirements and the METADATA of those that are."""

import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from packaging.markers import UndefinedComparison
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import interpreter_name, interpreter_version
from packaging.utils import canonicalize_name

from cadence.dependencies.explanation import HERE
from cadence.dependencies.failure import fault
from cadence.dependencies.host import SDK
from cadence.dependencies.requirement import Declared, applies
from cadence.dependencies.stand_in import needs_of_extras
from cadence.dependencies.wheel import BrokenWheelError, LocalWheel, read_metadata
from cadence.model import Fault

# More than any plugin needs: METADATA from an upload could lead on for ever.
_MAX_PACKAGES = 1000
_MAX_SHOWN = 5
_TODO = "Pack the plugin with its wheels (`flask plugins pack --with-wheels`), or put the file into the wheelhouse."


class Needed(Struct, frozen=True):
    """A package that something needs: who, in which versions, and the requirement of the plugin behind it."""

    name: str
    specifier: SpecifierSet
    extras: frozenset[str]
    who: str
    culprit: str


class Missing(Struct, frozen=True):
    """A package of which no wheel at hand fits."""

    name: str
    specifier: SpecifierSet
    who: tuple[str, ...]
    culprit: str

    def fault(self, foreign: Iterable[str] = (), isolated: Sequence[str] = ()) -> Fault:
        """Itself in words.

        :param foreign: file names of wheels at hand that are for other platforms.
        :param isolated: why the plugin cannot have what the host provides.
        """
        stem = self.name.replace("-", "_")
        others = [file for file in foreign if canonicalize_name(file.partition("-")[0]) == self.name]
        more = [f"{len(self.who) - _MAX_SHOWN} more"] if len(self.who) > _MAX_SHOWN else []
        who = " and ".join([*self.who[:_MAX_SHOWN], *more])
        needs = "needs" if len(self.who) == 1 else "need"
        message = f"No wheel of {self.name}{self.specifier} is at hand ({who} {needs} it). "
        message += f"For {HERE} that is a file {self._pattern(stem, compiled_only=bool(others))}. "
        message += f"{others[0]} is for another Python or platform. " if others else ""
        message += f"It cannot be this server's own: {' '.join(isolated)} " if isolated else ""
        return fault("missing_wheel", message + _TODO, self.culprit)

    def _pattern(self, stem: str, *, compiled_only: bool) -> str:
        exact = [one.version for one in self.specifier if one.operator == "==" and not one.version.endswith("*")]
        version = exact[0] if exact else "<version>"
        python = f"{interpreter_name()}{interpreter_version()}"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        if platform.startswith("linux_"):
            platform = platform.replace("linux_", "manylinux_*_")
        compiled = f"{stem}-{version}-{python}-{python}-{platform}.whl"
        return compiled if compiled_only else f"{stem}-{version}-py3-none-any.whl (with compiled code {compiled})"


def walk(
    roots: Sequence[Declared],
    needs: Sequence[Declared],
    wheels: Sequence[LocalWheel],
    provided: Mapping[str, str],
    cached: Callable[[str], bool] = lambda _: False,
) -> tuple[Missing, ...]:
    """What would be missing of an installation from the wheels at hand alone.

    :param roots: what the plugin requires.
    :param needs: what the SDK requires, where the host provides nothing.
    :param wheels: those at hand, the preferred ones first.
    :param provided: canonical name to version of what the host provides.
    :param cached: whether a requirement is there all the same, from an earlier download.
    """
    walked = _Walk(wheels, provided)
    for who, ones in (("the plugin", roots), (SDK, needs)):
        for one in ones:
            culprit = one.text if who != SDK else ", ".join(root.text for root in roots)
            walked.add(one.parsed, who, culprit)
    found = walked.missing()
    return tuple(one for one in found if not cached(f"{one.name}{one.specifier}"))


class _Walk:
    """Follows what is needed from package to package; what was found about one holds for all who need it."""

    def __init__(self, wheels: Sequence[LocalWheel], provided: Mapping[str, str]) -> None:
        self._wheels: dict[str, list[LocalWheel]] = {}
        for wheel in wheels:
            self._wheels.setdefault(wheel.name, []).append(wheel)
        self._provided = provided
        self._needed: dict[str, list[Needed]] = {}
        self._queue: list[Needed] = []
        self._seen: set[tuple[str, str, frozenset[str]]] = set()

    def add(self, requirement: Requirement, who: str, culprit: str, extras: Iterable[str] = ()) -> None:
        """Say that ``who`` needs it; ``extras`` are those of ``who``."""
        with suppress(UndefinedComparison):
            if applies(requirement, extras):
                self._add(requirement, who, culprit)

    def _add(self, requirement: Requirement, who: str, culprit: str) -> None:
        name = canonicalize_name(requirement.name)
        key = (name, str(requirement.specifier), frozenset(requirement.extras))
        if name == SDK or key in self._seen or len(self._seen) >= _MAX_PACKAGES:
            return
        self._seen.add(key)
        one = Needed(name, requirement.specifier, frozenset(requirement.extras), who, culprit)
        self._needed.setdefault(name, []).append(one)
        self._queue.append(one)

    def missing(self) -> list[Missing]:
        """Walk, and collect what has no wheel."""
        while self._queue:
            self._follow(self._queue.pop(0))
        return list(self._without_wheel())

    def _follow(self, needed: Needed) -> None:
        if needed.name in self._provided:
            # All it needs is there too, but for what its extras add.
            version = self._provided[needed.name]
            requires = needs_of_extras(needed.name, version) if needed.extras else ()
            who = f"{needed.name} {version}"
        elif (wheel := self._wheel(needed.name)) is not None:
            requires, who = _requires(wheel), f"{wheel.name} {wheel.version}"
        else:
            return
        for one in requires:
            self.add(one, who, needed.culprit, needed.extras)

    def _wheel(self, name: str) -> LocalWheel | None:
        """The first that all who need it can use."""
        specifiers = [one.specifier for one in self._needed[name]]
        for wheel in self._wheels.get(name, ()):
            if all(one.contains(wheel.version, prereleases=True) for one in specifiers):
                return wheel
        return None

    def _without_wheel(self) -> Iterator[Missing]:
        for name, needed in self._needed.items():
            if name not in self._provided and self._wheel(name) is None:
                specifier = SpecifierSet()
                for one in needed:
                    specifier &= one.specifier
                who = tuple(dict.fromkeys(one.who for one in needed))
                yield Missing(name, specifier, who, needed[0].culprit)


def _requires(wheel: LocalWheel) -> tuple[Requirement, ...]:
    try:
        return read_metadata(wheel.path).requires
    except BrokenWheelError:
        return ()  # what reads it next says so
