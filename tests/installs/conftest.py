"""Fixtures: a shelf that stands for the package index, and one that never answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dependencies.shelf import Shelf, SilentIndex


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The only place where uv finds packages during the test."""
    shelf = Shelf(tmp_path)
    monkeypatch.setenv("UV_FIND_LINKS", str(shelf.folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return shelf


@pytest.fixture
def silent_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentIndex]:
    index = SilentIndex(tmp_path / "cache")
    assert index.options.index is not None
    for variable in ("UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.options.index)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    yield index
    index.close()
