"""An application on an instance that has plugins: they answer, whatever its first request is."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from tests.building import archive_bytes, plugin_files
from tests.conftest import parts_of
from tests.server.process import await_true
from tests.web.api.asking import call, install, upload


@pytest.fixture
def restarted(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    """A fresh application on an instance where another one installed the demo plugin; no request was made yet."""
    before = create_app(settings, zygote)
    install(before.test_client())
    parts_of(before).close()
    app = create_app(settings, zygote)
    yield app
    parts_of(app).close()


FIRST: dict[str, Callable[[FlaskClient], object]] = {
    "call": call,
    "upload": lambda client: upload(client, archive_bytes(plugin_files("other")), "other-1.0.0.zip"),
    "list": lambda client: client.get("/api/v1/plugins"),
    "health": lambda client: client.get("/api/v1/health"),
    "page": lambda client: client.get("/plugins"),
}


@pytest.mark.parametrize("first", FIRST)
def test_installed_plugins_come_up_whatever_the_first_request_is(restarted: Flask, first: str) -> None:
    client = restarted.test_client()
    FIRST[first](client)
    await_true(lambda: call(client).status_code == 200, "the plugin's answer")


def test_a_plugin_that_starts_is_waited_for_and_not_denied(restarted: Flask) -> None:
    parts_of(restarted).start(serve=True)
    assert call(restarted.test_client()).status_code == 200
