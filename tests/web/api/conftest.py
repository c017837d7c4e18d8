"""Fixtures: an application whose every answer is held against the OpenAPI document."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from tests.conftest import parts_of
from tests.dependencies.shelf import Shelf
from tests.web.api.asking import CheckedClient


@pytest.fixture
def app(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(settings, zygote)
    app.test_client_class = CheckedClient
    parts_of(app).start(serve=True)
    yield app
    parts_of(app).close()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The only place where uv finds packages during the test."""
    shelf = Shelf(tmp_path)
    for variable in ("PIP_FIND_LINKS", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(shelf.folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return shelf
