"""Which version answers when one has to go: pure functions over the history of a plugin's active versions."""

from collections.abc import Collection, Iterable, Sequence

from cadence.history import Activation, ActivationCause

#: Changes that go back to a version; all others go on to one.
_GOES_BACK = frozenset({ActivationCause.ROLLBACK, ActivationCause.AUTOMATIC_ROLLBACK, ActivationCause.FALLBACK})


def stack_of(history: Iterable[Activation]) -> list[str | None]:
    """The versions one can go back through, the present one last; None stands for a time when none was active.

    A change that goes back takes away what lies above the version it went to, where that stands in the stack, so that
    two in a row go two back. Every other change puts its version on top.

    :param history: of one plugin, the oldest change first.
    """
    stack: list[str | None] = []
    for change in history:
        if change.cause in _GOES_BACK and change.version in stack:
            while stack[-1] != change.version:
                stack.pop()
        else:
            stack.append(change.version)
    return stack


def predecessor(stack: Sequence[str | None], present: str | None, good: Collection[str]) -> str | None:
    """The version to roll back to: the nearest below the top that is good and not the present one.

    :param stack: as :func:`stack_of` gives it.
    :param good: the versions that are installed and were not taken back.
    :returns: None where there is none.
    """
    below = reversed(stack[:-1])
    return next((version for version in below if version is not None and version != present and version in good), None)
