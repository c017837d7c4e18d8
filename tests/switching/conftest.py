"""Versions to switch between: in an index alone, and in workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.parts import Parts
from cadence.storage.index import Index
from tests.runtime.house import House


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.open(tmp_path / "index.db") as index:
        yield index


@pytest.fixture
def house(parts: Parts) -> House:
    return House(parts)
