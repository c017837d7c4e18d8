"""What a plugin gets that cannot share what workers have preloaded: its requirements and the SDK's, by themselves."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires

from cadence.dependencies.host import SDK
from cadence.dependencies.requirement import Declared, missing, read
from cadence.errors import DependenciesFailed

#: The code of the faults that an environment of its own may do away with.
CONFLICT = "conflicts_with_host"


def sdk_needs() -> tuple[Declared, ...]:
    """What the SDK requires on this Python and platform, by its own metadata."""
    try:
        return read(requires(SDK) or ())
    except PackageNotFoundError:
        return ()


def conflicts(declared: Sequence[Declared], provided: Mapping[str, str]) -> tuple[str, ...]:
    """The reasons that can be told without a resolution: requirements that what the host provides does not meet."""
    try:
        missing(declared, provided)
    except DependenciesFailed as failure:
        return reasons(failure, declared, provided)
    return ()


def reasons(failure: DependenciesFailed, declared: Sequence[Declared], provided: Mapping[str, str]) -> tuple[str, ...]:
    """The sentences that say why a plugin needs an environment of its own; none where one would not help.

    :param failure: of the resolution beside what the host provides.
    :param provided: canonical name to version of that.
    """
    conflicts = all(fault.code == CONFLICT for fault in failure.faults)
    # There is one SDK: what speaks with the worker is the server's.
    fits_sdk = all(one.fits(provided) for one in declared if one.name == SDK)
    if not conflicts or not fits_sdk or not failure.faults:
        return ()
    return tuple(dict.fromkeys(fault.message for fault in failure.faults))
