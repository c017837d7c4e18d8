"""The stages that the attacks of one process share."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.attacks.stage import Stages, remove_packages


@pytest.fixture(scope="session")
def stages() -> Iterator[Stages]:
    with contextlib.ExitStack() as exits:
        yield Stages(exits)


@pytest.fixture(scope="session", autouse=True)
def _packages() -> Iterator[None]:
    """Those of the isolated plugins are there while they are needed."""
    yield
    remove_packages()
