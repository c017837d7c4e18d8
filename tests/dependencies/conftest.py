"""What the tests of the dependencies share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.dependencies.command import Uv
from cadence.dependencies.environment import Environments
from tests.dependencies.planning import House
from tests.dependencies.shelf import Shelf, SilentIndex
from tests.dependencies.web_index import WebIndex


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def uv(shelf: Shelf) -> Uv:
    """Takes packages from the shelf only."""
    return Uv(idle_seconds=60, options=shelf.options)


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[SilentIndex]:
    index = SilentIndex(tmp_path / "cache")
    yield index
    index.close()


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path / "environments")


@pytest.fixture
def house(tmp_path: Path, shelf: Shelf) -> House:
    """Its packages come from the shelf only."""
    return House(tmp_path, shelf.options)


@pytest.fixture
def web(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebIndex]:
    """What is on the shelf, by HTTP. uv asks it once only."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    index = WebIndex(shelf.folder, tmp_path / "web-cache")
    yield index
    index.close()
