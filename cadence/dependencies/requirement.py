"""What a plugin declares: read, checked, and held against what the host provides."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from packaging.markers import UndefinedComparison
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cadence.dependencies.failure import failed, fault
from cadence.dependencies.host import SDK
from cadence.model import Fault


class Declared(Struct, frozen=True):
    """One requirement: ``text`` as the plugin wrote it, and what it means."""

    text: str
    parsed: Requirement

    @property
    def name(self) -> str:
        """The canonical name of the package."""
        return canonicalize_name(self.parsed.name)

    @property
    def wanted(self) -> str:
        """The package and its versions, without extras and marker."""
        return f"{self.name}{self.parsed.specifier}"

    def fits(self, provided: Mapping[str, str]) -> bool:
        """Whether a package is provided (canonical name to version) in a version that it takes."""
        return self.name in provided and self.parsed.specifier.contains(provided[self.name], prereleases=True)


def read(requirements: Iterable[str]) -> tuple[Declared, ...]:
    """Those of the requirements that count on this Python and platform, each once, in their order.

    :param requirements: dependency specifiers (PEP 508) without direct references.
    :raises DependenciesFailed: with a fault for every one that cannot be taken.
    """
    declared: list[Declared] = []
    faults: list[Fault] = []
    for text in dict.fromkeys(requirements):
        try:
            parsed = Requirement(text)
            is_for_here = applies(parsed)
        except (InvalidRequirement, UndefinedComparison, RecursionError) as error:
            words = str(error).splitlines()[0].rstrip(".")
            faults.append(fault("invalid_requirement", f"It is not a requirement that can be read: {words}.", text))
            continue
        if parsed.url is not None:
            faults.append(fault("direct_reference", _DIRECT, text))
        elif is_for_here:
            declared.append(Declared(text, parsed))
    if faults:
        raise failed(*faults)
    return tuple(declared)


def applies(requirement: Requirement, extras: Iterable[str] = ()) -> bool:
    """Whether it counts on this Python and platform.

    :param extras: those of the package whose requirement it is.
    :raises packaging.markers.UndefinedComparison: when its marker compares what cannot be compared.
    """
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


def names(requirements: Iterable[str]) -> frozenset[str]:
    """The canonical names of the packages in requirements, without those that cannot be read."""
    found = set()
    for text in requirements:
        with suppress(InvalidRequirement, RecursionError):
            found.add(str(canonicalize_name(Requirement(text).name)))
    return frozenset(found)


_DIRECT = "It names a file or an address; name a package and its versions, so that it comes from the package index."


def missing(declared: Sequence[Declared], provided: Mapping[str, str]) -> tuple[Declared, ...]:
    """Those that the host does not provide.

    :param provided: canonical name to version.
    :raises DependenciesFailed: with a fault for every one that does not fit what the host provides.
    """
    faults = [_conflict(one, provided[one.name]) for one in declared if one.name in provided and not one.fits(provided)]
    if faults:
        raise failed(*faults)
    # Extras of a provided package are more than what is provided.
    return tuple(one for one in declared if one.name not in provided or (one.parsed.extras and one.name != SDK))


def _conflict(one: Declared, version: str) -> Fault:
    message = f"The plugin needs {one.wanted}, this server provides {one.name} {version} to every plugin."
    return fault("conflicts_with_host", message, one.text)
