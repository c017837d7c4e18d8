"""What an attack is: one call of a hostile tool, and a look from outside whether it did what it set out to do."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.attacks.stage import Answer, Stage, User


class Outcome(NamedTuple):
    """The answer of the attacking tool, and whether the attack succeeded, as seen from outside.

    :ivar untold: whether an attacker cannot be told that it failed, because the kernel tells nobody.
    """

    answer: Answer
    succeeded: bool
    untold: bool = False


Run = Callable[[Stage], Outcome]


class Attack(NamedTuple):
    """One attack.

    :ivar undefended: for a user as whom it cannot succeed even without the sandbox, the reason.
    """

    name: str
    run: Run
    undefended: Mapping[User, str]


class Attacks:
    """The attacks of one module, in the order they stand there."""

    def __init__(self) -> None:
        self.all: list[Attack] = []

    def attack(self, *, root: str = "", ordinary: str = "") -> Callable[[Run], Run]:
        """Add the function as an attack of its name.

        :param root: why it cannot succeed undefended where the server runs as root.
        :param ordinary: the same where it runs as an ordinary user.
        """

        def add(run: Run) -> Run:
            self.add(run.__name__, run, root=root, ordinary=ordinary)
            return run

        return add

    def add(self, name: str, run: Run, *, root: str = "", ordinary: str = "") -> None:
        """Add one of several that differ in a value only."""
        reasons: dict[User, str] = {"root": root, "ordinary": ordinary}
        self.all.append(Attack(name, run, {user: reason for user, reason in reasons.items() if reason}))
