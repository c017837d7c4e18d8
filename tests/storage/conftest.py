from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.storage.index import Index
from cadence.storage.store import Store
from tests.storage.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def index(house: House) -> Index:
    return house.index


@pytest.fixture
def store(house: House) -> Store:
    return house.store
