"""Fixtures: a house with real processes, and a client whose every answer is held against the OpenAPI document."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import Settings
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.conftest import parts_of
from tests.runtime.house import House
from tests.web.api.asking import CheckedClient

Run = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", call_seconds=20.0)


@pytest.fixture
def house(settings: Settings, zygote: Zygote) -> Iterator[House]:
    parts = Parts(settings, zygote)
    yield House(parts)
    parts.close()


@pytest.fixture
def app(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(settings, zygote)
    app.test_client_class = CheckedClient
    parts_of(app).start(serve=True)
    yield app
    parts_of(app).close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def run(settings: Settings, zygote: Zygote) -> Run:
    """Run ``flask plugins grant …`` in an application of its own; a traceback fails the test."""

    def run(*arguments: str | Path, input: str | None = None) -> Result:
        app = create_app(settings, zygote)
        try:
            result = app.test_cli_runner().invoke(args=["plugins", *map(str, arguments)], input=input)
        finally:
            parts_of(app).close()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
