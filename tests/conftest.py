"""What tests of several rooms share: settings in a temporary folder, one warm zygote, an application."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from cadence import create_app
from cadence.config import Settings
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote

# How long an example takes, or takes to be made, says how busy the machine is.
hypothesis_settings.register_profile("cadence", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("cadence")


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """One for all tests of a process: it takes a second to warm up and keeps nothing of what it forked."""
    zygote = Zygote()
    yield zygote
    zygote.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance")


@pytest.fixture
def app(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(settings, zygote)
    yield app
    parts_of(app).close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def parts(app: Flask) -> Parts:
    return parts_of(app)


def parts_of(app: Flask) -> Parts:
    parts = app.extensions["cadence"]
    assert isinstance(parts, Parts)
    return parts
