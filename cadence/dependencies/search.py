"""The search for a lock: among the wheels at hand, then with the index, then in an environment of its own."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import replace
from packaging.specifiers import SpecifierSet

from cadence.dependencies.building import Workbench
from cadence.dependencies.command import Ended, IndexOptions, Uv
from cadence.dependencies.failure import failed, fault
from cadence.dependencies.host import SDK
from cadence.dependencies.isolation import CONFLICT, reasons, sdk_needs
from cadence.dependencies.lock import Lock, Package
from cadence.dependencies.missing import Missing, walk
from cadence.dependencies.requirement import Declared, missing
from cadence.dependencies.resolver import Terms, find
from cadence.dependencies.sizes import without_wheels
from cadence.dependencies.sources import Sources
from cadence.dependencies.wheel import BrokenWheelError
from cadence.errors import DependenciesFailed
from cadence.model import Fault

#: Faults that a build may do away with.
_WHEELLESS = frozenset({"only_source", "no_wheel"})
#: Faults that no further wheel would do away with.
_NOT_FOR_LACK = frozenset({CONFLICT, "conflict", "wrong_python"})
#: Faults of an index, not of what was asked.
_UNANSWERED = frozenset({"index_unreachable", "index_refused", "no_progress"})


class Tools(Struct, frozen=True):
    """What a search works with.

    ``run`` gives a uv that takes packages from there, builds at a workbench where there is one, and says what it does
    unless it is to be quiet. ``say`` takes lines for whoever watches. ``workbench`` opens one; None where nothing may
    be built.
    """

    sources: Sources
    options: IndexOptions
    offline: bool
    run: Callable[[IndexOptions, Workbench | None, bool], Uv]
    say: Callable[[str], None]
    workbench: Callable[[], AbstractContextManager[Workbench]] | None = None


def search(declared: Sequence[Declared], constraints: dict[str, str], tools: Tools) -> Lock:
    """Find the lock of a plugin.

    :param constraints: what the host provides, canonical name to version.
    :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
    :raises Cancelled: when the install was cancelled.
    """
    local = tools.sources.pins
    try:
        return _found(declared, Terms(constraints, preferred=local), tools)
    except DependenciesFailed as failure:
        why = reasons(failure, declared, constraints)
        if not why:
            raise
    tools.say(f"{' '.join(why)} Resolving again, for an environment of its own.")
    sdk = {name: version for name, version in constraints.items() if name == SDK}
    # What the SDK was tried with on this server comes before what is newer.
    others = constraints.keys() - tools.sources.names
    preferred = (*local, *(f"{name}=={constraints[name]}" for name in sorted(others)))
    return _found(declared, Terms(sdk, sdk_needs(), why, preferred), tools)


def _found(declared: Sequence[Declared], terms: Terms, tools: Tools) -> Lock:
    wanted = missing(declared, terms.provided)
    if not wanted and not terms.needs:
        return Lock()
    tools.sources.stand_in_for({name: version for name, version in terms.provided.items() if name != SDK})
    names = {one.name for one in (*wanted, *terms.needs)}
    if names <= tools.sources.names | terms.provided.keys():
        # Whatever is wrong with them alone, the index may still help.
        with suppress(DependenciesFailed):
            lock = find(wanted, terms, tools.run(tools.sources.only(), None, True))
            return _taken_at_hand(lock, tools.sources)
    try:
        return _taken_at_hand(_with_index(wanted, terms, tools), tools.sources)
    except DependenciesFailed as failure:
        faults = _explained(failure, wanted, terms, tools)
        raise failed(*faults) from None


def _with_index(wanted: Sequence[Declared], terms: Terms, tools: Tools) -> Lock:
    cache = tools.sources.scratch_cache(offline=tools.offline)
    options = tools.sources.before(tools.options, offline=tools.offline, cache=cache)
    try:
        return find(wanted, terms, tools.run(options, None, False))
    except DependenciesFailed as failure:
        if tools.workbench is None or not any(one.code in _WHEELLESS for one in failure.faults):
            raise
    with tools.workbench() as bench:
        options = tools.sources.before(tools.options, offline=tools.offline, cache=bench.cache)
        uv = tools.run(options, bench, False)
        lock = find(wanted, terms, uv)
        built = without_wheels(lock, uv)
    return replace(lock, packages=tuple(replace(one, built=one.name in built) for one in lock.packages))


def _taken_at_hand(lock: Lock, sources: Sources) -> Lock:
    """The lock, bound to the very files where packages are at hand."""
    packages = []
    for package in lock.packages:
        wheel = sources.wheel_of(package)
        if wheel is None:
            packages.append(package)
            continue
        try:
            digest = f"sha256:{sources.digest(wheel)}"
        except BrokenWheelError as broken:
            raise failed(fault("broken_wheel", f"{wheel.filename}: {broken}.", package.requirement)) from None
        packages.append(replace(package, hashes=(digest,), local=True, built=False))
    return replace(lock, packages=tuple(packages))


def _explained(
    failure: DependenciesFailed, wanted: Sequence[Declared], terms: Terms, tools: Tools
) -> tuple[Fault, ...]:
    """The faults, and what would have to be at hand where no index can be asked."""
    codes = {one.code for one in failure.faults}
    asked = not tools.offline
    if codes & _NOT_FOR_LACK or (asked and not (codes & _UNANSWERED and tools.sources)):
        return failure.faults
    uv = tools.run(tools.sources.before(tools.options, offline=True), None, True)
    lacking = walk(wanted, terms.needs, tools.sources.wheels, terms.provided, lambda one: not asked and _has(one, uv))
    found = tuple(one.fault(tools.sources.foreign, terms.isolated) for one in lacking)
    return (*failure.faults, *found) if asked else found or failure.faults


def _has(requirement: str, uv: Uv) -> bool:
    """Whether uv has something of an earlier download."""
    try:
        return uv.run("compile", "-", "--no-deps", "--only-binary=:all:", stdin=requirement).code == 0
    except Ended:
        return False


def not_downloaded(lock: Lock, sources: Sources, uv: Uv) -> tuple[Fault, ...]:
    """The packages of a lock whose file is neither at hand nor among what uv downloaded before.

    :param uv: one that does not use the network.
    """
    lacking = [one for one in lock.packages if not sources.has(one) and not _installs(one, uv)]
    return tuple(
        Missing(one.name, SpecifierSet(f"=={one.version}"), one.via or ("the plugin",), one.requirement).fault(
            sources.foreign, lock.isolated
        )
        for one in lacking
    )


def _installs(package: Package, uv: Uv) -> bool:
    with TemporaryDirectory(prefix="cadence-") as folder:
        try:
            arguments = ("--requirements=-", f"--target={folder}/packages", "--require-hashes", "--no-deps")
            return uv.run("install", *arguments, "--link-mode=symlink", stdin=package.line).code == 0
        except Ended:
            return False
