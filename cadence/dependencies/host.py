"""What every worker has without asking: the SDK and all it needs, preloaded in the zygote."""

import functools
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from types import MappingProxyType

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SDK = "cadence-sdk"


@functools.cache
def preloaded() -> tuple[str, ...]:
    """The distributions that workers import from the server, as sorted lines ``name==version``."""
    return tuple(f"{name}=={found.version}" for name, found in sorted(_distributions().items()))


@functools.cache
def modules() -> Mapping[str, str]:
    """The top-level modules of the preloaded distributions: module to distribution."""
    return MappingProxyType(
        {module: name for name, found in _distributions().items() for module in _modules(name, found)}
    )


@functools.cache
def _distributions() -> Mapping[str, Distribution]:
    """The SDK's distribution and all that it requires on this Python and platform, by canonical name."""
    found: dict[str, Distribution] = {}
    visited: set[tuple[str, frozenset[str]]] = set()
    pending = [(str(canonicalize_name(SDK)), frozenset[str]())]
    while pending:
        name, extras = pending.pop()
        if (name, extras) in visited:
            continue
        visited.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # something is broken, but not here: the worker says what it cannot import
        pending += _required(found[name], extras)
    return found


def _required(found: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in found.requires or ():
        required = Requirement(line)
        marker = required.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield canonicalize_name(required.name), frozenset(required.extras)


def _modules(name: str, found: Distribution) -> set[str]:
    """Its modules; an editable install does not list them, so one under its own name is taken for granted."""
    tops = {file.parts[0].partition(".")[0] for file in found.files or ()}
    return {top for top in tops if top.isidentifier() and top != "__pycache__"} | {name.replace("-", "_")}
