"""Plans made on the spot."""

from pathlib import Path
from typing import Any

import pytest

from cadence.dependencies.command import IndexOptions
from cadence.dependencies.environment import Environments
from cadence.dependencies.installation import Dependencies, Order, Planned, Provided
from cadence.errors import DependenciesFailed
from cadence.model import Fault
from cadence.progress import Progress
from tests.dependencies.shelf import Shelf

#: What the host provides in the tests; no wheel of it is on any shelf unless a test puts one there.
HOST = ("cadence-sdk==1.4.0", "pydantic==2.14.3")


class Memory:
    """What was resolved, by its inputs."""

    def __init__(self) -> None:
        self.locks: dict[str, str] = {}

    def find_resolution(self, inputs: str) -> str | None:
        return self.locks.get(inputs)

    def keep_resolution(self, inputs: str, environment: str, lock: str) -> None:
        self.locks[inputs] = lock


class House:
    """Everything that a plan needs, with what it said last.

    :ivar memory: what its dependencies remember, also when they are made anew.
    """

    def __init__(self, folder: Path, options: IndexOptions) -> None:
        self.environments = Environments(folder / "environments")
        self.memory = Memory()
        self.progress = Progress(0.0)
        self._folder = folder
        self._options = options

    def dependencies(self, **given: Any) -> Dependencies:
        given = {"idle_seconds": 60.0, "options": self._options, "constraints": HOST, **given}
        return Dependencies(self.environments, self.memory, **given)

    def plan(
        self,
        *requirements: str,
        vendored: Path | None = None,
        upgrade: bool = False,
        sizes: bool = False,
        **given: Any,
    ) -> Planned:
        self.progress = Progress(0.0)
        order = Order(requirements, vendored, upgrade)
        return self.dependencies(**given).plan(order, self.progress, sizes=sizes)

    def provide(self, planned: Planned, **given: Any) -> Provided:
        self.progress = Progress(0.0)
        provided = self.dependencies(**given).provide(planned, self.progress)
        if provided.lease:
            provided.lease.close()
        return provided

    def fails(self, *requirements: str, vendored: Path | None = None, **given: Any) -> tuple[Fault, ...]:
        """The faults with which these are refused; their sentences are checked, and that nothing is left."""
        with pytest.raises(DependenciesFailed) as caught:
            self.provide(self.plan(*requirements, vendored=vendored, **given), **given)
        expected = tuple(f"Failed to install: {fault.culprit}: {fault.message}" for fault in caught.value.faults)
        assert caught.value.sentences == expected
        assert not self.environments.keys()
        return caught.value.faults

    @property
    def log(self) -> str:
        """What was said during the last plan or installation."""
        return "\n".join(line for _, line in self.progress.lines)


def archive(folder: Path) -> Shelf:
    """A shelf that stands for the wheels in an archive, or for a wheelhouse."""
    folder.mkdir()
    return Shelf(folder)


def pins(planned: Planned) -> list[str]:
    return [f"{one.name}=={one.version}" for one in planned.lock.packages]
