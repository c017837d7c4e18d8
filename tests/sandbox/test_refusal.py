"""A server that requires what its host lacks: it starts, says so everywhere, and runs no plugin."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import SandboxMode, Settings
from cadence.runtime.zygote import Zygote
from cadence_sdk._runtime.report import Layer
from tests.conftest import parts_of
from tests.runtime.house import eventually
from tests.sandbox.hosts import LANDLOCK, NO_LANDLOCK, SECCOMP, host_with
from tests.web.api.asking import CheckedClient, call, install, traces, upload


@pytest.fixture
def required(settings: Settings) -> Settings:
    return replace(settings, sandbox=SandboxMode.REQUIRE)


def serving(settings: Settings, zygote: Zygote, *layers: Layer) -> Flask:
    app = create_app(settings, host_with(zygote, *layers))
    app.test_client_class = CheckedClient
    return app


@pytest.fixture
def refusing(required: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = serving(required, zygote, NO_LANDLOCK, SECCOMP)
    yield app
    parts_of(app).close()


def test_an_upload_ends_in_the_trial_with_the_missing_layer_and_what_to_do(refusing: Flask) -> None:
    client = refusing.test_client()
    before = traces(parts_of(refusing))
    answer = upload(client)
    body = answer.get_json()
    assert (answer.status_code, body["message"]) == (503, "Plugin unavailable")
    words = " ".join(body["details"])
    assert "landlock (kernel 5.10 has no Landlock)" in words
    assert "CADENCE_SANDBOX=prefer" in words
    assert (body["plugin_name"], body["plugin_version"]) == ("demo_plugin", "1.0.0")
    record = client.get("/api/v1/installs").get_json()["installs"][0]
    states = {stage["stage"]: stage["state"] for stage in record["stages"]}
    assert (states["dependencies"], states["trial"], states["publish"]) == ("done", "failed", "pending")
    assert traces(parts_of(refusing)) == before


def test_plugins_that_were_installed_before_do_not_run(required: Settings, zygote: Zygote) -> None:
    before = serving(required, zygote, LANDLOCK, SECCOMP)
    install(before.test_client())
    parts_of(before).close()
    app = serving(required, zygote, NO_LANDLOCK, SECCOMP)
    try:
        client = app.test_client()
        answer = call(client)
        assert answer.status_code == 503
        assert "landlock" in str(answer.get_json()["details"])
        listed = client.get("/plugins").text
        assert "landlock (kernel 5.10 has no Landlock)" in listed
    finally:
        parts_of(app).close()


def test_health_and_pages_say_so(refusing: Flask) -> None:
    client: FlaskClient = refusing.test_client()

    def known() -> bool:
        return client.get("/api/v1/health").get_json()["sandbox"]["complete"] is not None

    eventually(known)
    body = client.get("/api/v1/health").get_json()
    assert body["status"] == "degraded"
    assert (body["sandbox"]["mode"], body["sandbox"]["complete"]) == ("require", False)
    assert body["sandbox"]["layers"][0] == {
        "name": "landlock",
        "protects": "files",
        "active": False,
        "reason": "kernel 5.10 has no Landlock",
    }
    page = client.get("/plugins").text
    assert "1 of 2 layers is missing: landlock. No plugin runs." in page
    assert "kernel 5.10 has no Landlock" in client.get("/system").text


def test_with_every_layer_there_plugins_run(required: Settings, zygote: Zygote) -> None:
    app = serving(required, zygote, LANDLOCK, SECCOMP)
    try:
        install(app.test_client())
        assert call(app.test_client()).get_json()["result"] == 5
    finally:
        parts_of(app).close()


def test_prefer_runs_plugins_and_warns(settings: Settings, zygote: Zygote, caplog: pytest.LogCaptureFixture) -> None:
    app = serving(settings, zygote, NO_LANDLOCK, SECCOMP)
    try:
        install(app.test_client())
        assert call(app.test_client()).get_json()["result"] == 5
        assert client_warns(app)
        eventually(lambda: "Sandbox layer missing: landlock" in caplog.text)
    finally:
        parts_of(app).close()


def client_warns(app: Flask) -> bool:
    return "Plugins run with less protection than they should." in eventually(
        lambda: text if "layers" in (text := app.test_client().get("/plugins").text) else ""
    )


def test_off_is_said_on_every_page_at_once(settings: Settings, zygote: Zygote) -> None:
    app = serving(replace(settings, sandbox=SandboxMode.OFF), zygote, LANDLOCK, SECCOMP)
    try:
        client = app.test_client()
        for path in ("/plugins", "/system", "/nowhere"):
            assert "The sandbox is off. Plugins can do whatever this server can." in client.get(path).text
        assert client.get("/api/v1/health").get_json()["sandbox"]["complete"] is False
    finally:
        parts_of(app).close()
