"""What health says of the sandbox."""

import threading
from collections.abc import Iterator
from typing import cast

import pytest
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from cadence_sdk._runtime.report import Layer
from tests.conftest import parts_of
from tests.runtime.house import eventually
from tests.web.api.asking import CheckedClient


def test_health_names_every_layer_of_this_host(client: FlaskClient, zygote: Zygote) -> None:
    eventually(lambda: client.get("/api/v1/health").get_json()["sandbox"]["layers"])
    said = client.get("/api/v1/health").get_json()["sandbox"]
    assert said["mode"] == "prefer"
    assert said["complete"] is all(layer.active for layer in zygote.layers)
    assert [layer["name"] for layer in said["layers"]] == [layer.name for layer in zygote.layers]
    assert {"name", "protects", "active", "reason"} == said["layers"][0].keys()


class SlowHost:
    """A warm zygote whose layers are not known until the test lets them be."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self.may_answer = threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._zygote, name)

    @property
    def layers(self) -> tuple[Layer, ...]:
        assert self.may_answer.wait(20)
        return (Layer("landlock", "files", True),)


@pytest.fixture
def slow(zygote: Zygote) -> Iterator[SlowHost]:
    slow = SlowHost(zygote)
    yield slow
    slow.may_answer.set()


def test_health_and_pages_wait_for_no_zygote(settings: Settings, slow: SlowHost) -> None:
    app = create_app(settings, cast(Zygote, slow))
    app.test_client_class = CheckedClient
    try:
        client = app.test_client()
        assert client.get("/api/v1/health").get_json()["sandbox"] == {"mode": "prefer", "complete": None, "layers": []}
        page = client.get("/plugins").text
        assert 'hx-get="/system/banner"' in page
        assert "incomplete" not in page
        slow.may_answer.set()
        assert eventually(lambda: client.get("/api/v1/health").get_json()["sandbox"]["complete"]) is True
        assert client.get("/system/banner").text.strip() == ""
    finally:
        slow.may_answer.set()
        parts_of(app).close()
