"""A house in which versions are deleted and brought back, without a process that runs one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cadence.model import PluginRef
from tests.removal.bin import Bin

ONE, TWO = PluginRef("math_plugin", "1.0.0"), PluginRef("math_plugin", "2.0.0")


@pytest.fixture
def make_bin(tmp_path: Path) -> Iterator[Callable[[int], Bin]]:
    made: list[Bin] = []

    def make(retention_days: int) -> Bin:
        made.append(Bin(tmp_path, retention_days))
        return made[-1]

    yield make
    for one in made:
        one.house.close()


@pytest.fixture
def kept(make_bin: Callable[[int], Bin]) -> Bin:
    """One that keeps what is deleted for a week."""
    return make_bin(7)
