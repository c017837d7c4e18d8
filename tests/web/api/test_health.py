"""What health says: of the sandbox, of every plugin by number, of one plugin and its checks and examples."""

import threading
from collections.abc import Iterator
from typing import cast

import pytest
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import Settings
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from cadence_sdk._runtime.report import Layer
from tests.conftest import parts_of
from tests.runtime.house import eventually
from tests.web.api.asking import CheckedClient, call, install, refused


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


HEALTH = "/api/v1/plugins/demo_plugin/health"
COUNTED = ("live", "degraded", "starting", "asleep", "failed", "quarantined", "disabled", "stopped")
#: Healthy at first, and not any more once its tool was called.
TURNING = """
    from cadence_sdk import tool

    STATE = {"healthy": True}

    @tool
    def spoil() -> str:
        "Spoil its health."
        STATE["healthy"] = False
        return "spoiled"

    TOOLS = [spoil]
"""
CHECKING = """
@staticmethod
def health_check() -> dict:
    from .tools import STATE
    dry = STATE["healthy"]
    return {"healthy": dry, "details": "The cellar is flooded", "checks": {"cellar": dry}}
"""
WITH_EXAMPLES = """
    from cadence_sdk import example, tool

    STATE = {"wrong": 0}

    @example({"a": 2, "b": 3}, returns=5)
    @example({"a": 0, "b": 4}, returns=4)
    @tool
    def add(a: int, b: int) -> int:
        "Add two numbers."
        return a + b + a * STATE["wrong"]

    @tool
    def spoil() -> str:
        "Have it add wrongly."
        STATE["wrong"] = 1
        return "spoiled"

    TOOLS = [add, spoil]
"""


@pytest.fixture
def turning(client: FlaskClient) -> FlaskClient:
    install(client, tools=TURNING, plugin_body=CHECKING)
    return client


def test_a_plugin_that_is_well_says_so_and_keeps_the_checks_that_are_asked_for(turning: FlaskClient) -> None:
    checked = turning.post(HEALTH).get_json()
    assert (checked["healthy"], checked["message"]) == (True, "demo_plugin 1.0.0 is healthy")
    assert (checked["check"]["kind"], checked["check"]["words"]) == ("requested", "")
    assert checked["check"]["checks"] == {"cellar": True}
    body = turning.get(HEALTH).get_json()
    assert (body["plugin_version"], body["status"], body["health"]["state"]) == ("1.0.0", "live", "healthy")
    assert body["checks"] == [checked["check"]]


def test_a_plugin_that_is_unwell_answers_and_says_why(turning: FlaskClient) -> None:
    assert call(turning, "spoil", {}).get_json()["result"] == "spoiled"
    checked = turning.post(HEALTH).get_json()
    assert (checked["success"], checked["healthy"]) == (True, False)
    assert "The cellar is flooded" in checked["message"]
    assert checked["health"]["state"] == "degraded"
    body = turning.get(HEALTH).get_json()
    assert (body["status"], body["health"]["last_check"]["healthy"]) == ("degraded", False)
    assert "The cellar is flooded" in body["status_words"]
    assert body["status_words"].startswith("Answering. ")
    server = turning.get("/api/v1/health").get_json()
    assert (server["status"], server["degraded"], server["live"]) == ("degraded", 1, 0)
    assert call(turning, "spoil", {}).status_code == 200


def test_a_new_version_whose_checks_keep_failing_is_taken_back_and_the_one_before_answers(
    client: FlaskClient, settings: Settings
) -> None:
    install(client, "1.0.0")
    install(client, "1.1.0", tools=TURNING, plugin_body=CHECKING)
    call(client, "spoil", {})
    for _ in range(settings.health_failures):
        client.post(HEALTH)
    eventually(lambda: client.get(HEALTH).get_json()["plugin_version"] == "1.0.0")
    assert call(client).get_json()["plugin_version"] == "1.0.0"
    plugin = client.get("/api/v1/plugins/demo_plugin").get_json()["plugin"]
    (bad,) = [version for version in plugin["versions"] if version["quarantine"]]
    assert bad["version"] == "1.1.0"
    assert "The cellar is flooded" in bad["quarantine"]
    kinds = [entry["kind"] for entry in client.get("/api/v1/plugins/demo_plugin/history").get_json()["history"]]
    assert kinds.count("quarantined") == kinds.count("automatic_rollback") == 1


def test_every_plugin_is_counted_once(client: FlaskClient) -> None:
    body = client.get("/api/v1/health").get_json()
    assert body["status"] == "ok"
    assert [body[status] for status in COUNTED] == [0] * len(COUNTED)
    install(client)
    client.post("/api/v1/plugins/demo_plugin/disable")
    body = client.get("/api/v1/health").get_json()
    assert body["disabled"] == sum(body[status] for status in COUNTED) == 1
    assert body["status"] == "ok"


def test_asking_how_a_plugin_does_wakes_it_not_but_a_check_does(client: FlaskClient, parts: Parts) -> None:
    install(client)
    eventually(lambda: parts.serving.live_set.sleep("demo_plugin"))
    body = client.get(HEALTH).get_json()
    assert (body["status"], body["status_words"], body["health"]["state"]) == ("asleep", "Asleep", "asleep")
    assert body["health"]["last_check"]["healthy"] is True
    assert client.get("/api/v1/health").get_json()["asleep"] == 1
    assert client.post(HEALTH).get_json()["healthy"] is True
    assert client.get(HEALTH).get_json()["status"] == "live"


def test_the_examples_of_the_tools_are_run_and_those_that_fail_are_told(client: FlaskClient) -> None:
    install(client, tools=WITH_EXAMPLES)
    body = client.post("/api/v1/plugins/demo_plugin/self-test").get_json()
    assert (body["success"], body["passed"], body["failed"]) == (True, 2, 0)
    assert body["message"] == "2 examples passed"
    call(client, "spoil", {})
    body = client.post("/api/v1/plugins/demo_plugin/self-test").get_json()
    assert (body["success"], body["passed"], body["failed"]) == (False, 1, 1)
    assert body["message"] == "1 of 2 examples failed"
    (failed,) = [example for example in body["examples"] if not example["passed"]]
    assert (failed["tool"], failed["args"]) == ("add", {"a": 2, "b": 3})
    assert "7" in failed["words"]


def test_a_plugin_without_examples_says_so(client: FlaskClient) -> None:
    install(client)
    body = client.post("/api/v1/plugins/demo_plugin/self-test").get_json()
    assert (body["success"], body["message"]) == (True, "No tool of this plugin declares an example")


@pytest.mark.parametrize("address", ["health", "self-test"])
def test_a_disabled_plugin_is_not_asked(client: FlaskClient, address: str) -> None:
    install(client)
    client.post("/api/v1/plugins/demo_plugin/disable")
    answer = client.post(f"/api/v1/plugins/demo_plugin/{address}")
    assert "disabled" in refused(answer, 503, "Plugin unavailable")
    assert client.get(HEALTH).get_json()["status"] == "disabled"
