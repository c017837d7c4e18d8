"""How a failure of this room is put: the requirement at fault first, then the reason."""

from cadence.errors import DependenciesFailed
from cadence.model import Fault, Stage


def fault(code: str, message: str, requirement: str) -> Fault:
    """A fault of the dependencies stage; ``requirement`` is the one at fault, as the plugin wrote it."""
    return Fault(stage=Stage.DEPENDENCIES, code=code, message=_shown(message), culprit=_shown(requirement))


def failed(*faults: Fault) -> DependenciesFailed:
    """The exception that tells them, each in one sentence: ``Failed to install: <requirement>: <reason>``."""
    return DependenciesFailed(*(f"Failed to install: {one.culprit}: {one.message}" for one in faults), faults=faults)


def _shown(text: str) -> str:
    """On one line, without control characters: what comes from a package may hold any."""
    return "".join(character if character.isprintable() else " " for character in text)
