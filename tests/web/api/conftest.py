"""Fixtures: an application whose every answer is held against the OpenAPI document."""

from collections.abc import Iterator

import pytest
from flask import Flask

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from tests.conftest import parts_of
from tests.web.api.asking import CheckedClient


@pytest.fixture
def app(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(settings, zygote)
    app.test_client_class = CheckedClient
    parts_of(app).start(serve=True)
    yield app
    parts_of(app).close()
