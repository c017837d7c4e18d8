"""The stages that the attacks of one process share."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.attacks.stage import Stages


@pytest.fixture(scope="session")
def stages() -> Iterator[Stages]:
    with contextlib.ExitStack() as exits:
        yield Stages(exits)
