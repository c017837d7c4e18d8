"""Installing the wheels at hand apart from what comes from elsewhere."""

import os
from collections.abc import Callable, Set

from cadence.dependencies.command import Output, Uv


class LocalUv(Uv):
    """A uv to which only the places it was given count, not those in the settings of the host's uv."""

    def run(self, *arguments: str, stdin: str, packages: int = 0) -> Output:
        """As every uv."""
        return super().run(*arguments, f"--config-file={os.devnull}", stdin=stdin, packages=packages)


class SplitUv(Uv):
    """One uv for a lock of which some files are at hand: two runs in the place of each installation.

    So uv's cache keeps nothing of an archive, and takes no other file for one of those.

    :param at_hand: the hashes of the files at hand, as ``sha256:…``.
    :param local: installs those.
    :param other: installs everything else.
    """

    def __init__(self, at_hand: Set[str], local: Uv, other: Uv, on_line: Callable[[str], None]) -> None:
        super().__init__(idle_seconds=other.idle_seconds, builds=other.builds, on_line=on_line)
        self._at_hand = at_hand
        self._local = local
        self._other = other

    def raise_if_cancelled(self) -> None:
        """Stop here when the install is no longer wanted.

        :raises Cancelled: then.
        """
        self._other.raise_if_cancelled()

    def run(self, *arguments: str, stdin: str, packages: int = 0) -> Output:
        """Run both, the second only when the first did what it should; both count as one.

        :param stdin: a lock, a package on each line.
        """
        lines = stdin.splitlines(keepends=True)
        local = [line for line in lines if any(digest in line for digest in self._at_hand)]
        rest = [line for line in lines if line not in local]
        output = self._local.run(*arguments, stdin="".join(local))
        return output if output.code != 0 else self._other.run(*arguments, stdin="".join(rest), packages=packages)
