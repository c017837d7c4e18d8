"""Tool calls: results as JSON, and each way to fail with its own status."""

import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cadence.config import Settings
from cadence.parts import Parts
from tests.building import archive_bytes, plugin_files
from tests.server.process import await_true
from tests.web.api.asking import call, install, refused, tools, upload

RESULTS = """
    import dataclasses, datetime, decimal, enum, pathlib, uuid
    from cadence_sdk import tool

    class Colour(enum.Enum):
        RED = "red"

    @dataclasses.dataclass
    class Point:
        x: int
        y: float

    VALUES = {
        "nothing": None,
        "text": 'naïve ✓ \\u0000 "quoted" </script>',
        "large": 2**70,
        "float": 0.1,
        "nested": {"a": [1, {"b": [True, None]}]},
        "tuple": (1, 2),
        "set": {1},
        "date": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        "uuid": uuid.UUID(int=1),
        "enum": Colour.RED,
        "point": Point(1, 2.5),
        "keys": {1: "one"},
    }
    ODD = {
        "nan": float("nan"),
        "infinity": float("inf"),
        "bytes": b"\\xff\\x00",
        "surrogate": "\\ud800",
        "object": object(),
        "path": pathlib.Path("x"),
        "decimal": decimal.Decimal("1.10"),
    }

    @tool
    def give(key: str):
        "Give a value."
        return (VALUES | ODD)[key]

    TOOLS = [give]
"""

SLASHED = """
    from cadence_sdk import tool

    @tool("files/read/all")
    def read() -> str:
        "Read."
        return "called"

    TOOLS = [read]
"""

FAILURES = """
    import os, time, threading
    from cadence_sdk import tool

    @tool
    def fail(how: str) -> str:
        "Fail."
        if how == "raise":
            raise ValueError("it is broken")
        if how == "exit":
            os._exit(7)
        if how == "hang":
            threading.Event().wait()
        return "fine"

    TOOLS = [fail]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", call_seconds=3.0)


def test_a_call_answers_with_result_version_and_time(client: FlaskClient) -> None:
    install(client)
    body = call(client, "add", {"a": 2, "b": 3}).get_json()
    assert (body["success"], body["result"], body["plugin_version"]) == (True, 5, "1.0.0")
    assert body["ms"] > 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nothing", None),
        ("text", 'naïve ✓ \x00 "quoted" </script>'),
        ("large", 2**70),
        ("float", 0.1),
        ("nested", {"a": [1, {"b": [True, None]}]}),
        ("tuple", [1, 2]),
        ("set", [1]),
        ("uuid", "00000000-0000-0000-0000-000000000001"),
        ("enum", "red"),
        ("point", {"x": 1, "y": 2.5}),
        ("keys", {"1": "one"}),
    ],
)
def test_a_result_arrives_as_json(results: FlaskClient, key: str, value: object) -> None:
    assert call(results, "give", {"key": key}).get_json()["result"] == value


@pytest.mark.parametrize("key", ["nan", "infinity", "bytes", "surrogate", "object", "path", "decimal", "date"])
def test_a_result_that_is_no_json_is_put_into_json_or_refused_and_the_worker_lives(
    results: FlaskClient, parts: Parts, key: str
) -> None:
    live = parts.serving.live_set.plugin("demo_plugin")
    answer = call(results, "give", {"key": key})
    assert answer.status_code in (200, 502)
    json.loads(answer.text, parse_constant=pytest.fail)  # NaN and Infinity are no JSON
    assert call(results, "give", {"key": "float"}).get_json()["result"] == 0.1
    now = parts.serving.live_set.plugin("demo_plugin")
    assert live is not None
    assert now is not None
    assert now.pid == live.pid


@pytest.fixture
def results(client: FlaskClient) -> FlaskClient:
    assert upload(client, tools(RESULTS)).status_code == 201
    return client


@pytest.fixture
def failing(client: FlaskClient) -> FlaskClient:
    assert upload(client, tools(FAILURES)).status_code == 201
    return client


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b"a=2&b=3",
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": "\xff"}',
        b'{"\xff": 1}',
        b'{"a": "\\ud800"}',
    ],
    ids=range(11),
)
def test_a_body_that_is_no_json_object_is_refused(client: FlaskClient, body: bytes) -> None:
    install(client)
    answer = client.post("/api/v1/plugins/demo_plugin/tools/add", data=body)
    assert "JSON object" in refused(answer, 400, "Invalid request")


def test_an_empty_body_means_no_arguments(failing: FlaskClient) -> None:
    assert "how" in refused(failing.post("/api/v1/plugins/demo_plugin/tools/fail"), 422, "Invalid arguments")


def test_arguments_that_do_not_fit_are_refused_by_name(client: FlaskClient) -> None:
    install(client)
    details = refused(call(client, "add", {"a": "two", "b": 3}), 422, "Invalid arguments")
    assert "a" in details


def test_a_tool_whose_name_has_slashes_is_called_by_its_name(client: FlaskClient) -> None:
    """Many name their tools like paths, and LangChain takes any text."""
    install(client, tools=SLASHED)
    (tool,) = client.get("/api/v1/plugins/demo_plugin/tools").get_json()["tools"]
    for address in (tool["name"], tool["name"].replace("/", "%2F")):
        assert call(client, address, {}).get_json()["result"] == "called"
    assert "'files/read'" in refused(call(client, "files/read", {}), 404, "Not found")


def test_an_unknown_plugin_and_an_unknown_tool_are_not_found(client: FlaskClient) -> None:
    assert refused(call(client, name="absent"), 404, "Not found") == "No plugin 'absent' is installed."
    install(client)
    assert "subtract" in refused(call(client, "subtract"), 404, "Not found")


def test_a_tool_that_raises_is_told_with_its_words(failing: FlaskClient) -> None:
    answer = call(failing, "fail", {"how": "raise"})
    assert "ValueError: it is broken" in refused(answer, 502, "Tool raised an error")
    body = answer.get_json()
    assert (body["plugin_name"], body["plugin_version"]) == ("demo_plugin", "1.0.0")


def test_a_worker_that_ends_in_a_call_is_told_and_another_answers_the_next(client: FlaskClient) -> None:
    """Also a call that comes at once: the end of the worker was known before it was made."""
    for name in (f"mortal_{number}" for number in range(15)):
        archive = archive_bytes(plugin_files(name, tools=FAILURES))
        assert upload(client, archive, f"{name}-1.0.0.zip").status_code == 201
        ended = call(client, "fail", {"how": "exit"}, name)
        assert "exit code 7" in refused(ended, 502, "Plugin worker ended")
        assert call(client, "fail", {"how": "not"}, name).get_json().get("result") == "fine"


def test_a_tool_that_does_not_answer_ends_at_its_deadline(failing: FlaskClient) -> None:
    assert "within" in refused(call(failing, "fail", {"how": "hang"}), 504, "Tool call timed out")
    assert call(failing, "fail", {"how": "not"}).get_json()["result"] == "fine"


def test_a_plugin_that_is_down_is_unavailable_with_the_reason(failing: FlaskClient, parts: Parts) -> None:
    # Pinned, it is not taken back. Each end of the worker makes the next restart wait longer; soon it is longer than a
    # call would wait.
    failing.post("/api/v1/plugins/demo_plugin/pin")

    def is_down() -> bool:
        return call(failing, "fail", {"how": "exit"}).status_code == 503

    await_true(is_down, "the plugin's worker kept from restarting")
    answer = call(failing, "fail", {"how": "not"})
    assert "demo_plugin is not running" in refused(answer, 503, "Plugin unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert failing.get("/api/v1/health").get_json()["status"] == "degraded"
    shown = failing.get("/api/v1/plugins/demo_plugin").get_json()["plugin"]
    assert shown["status"] == "failed"
    assert "exit code 7" in shown["status_words"]


def test_plugins_and_tools_are_listed_as_they_stand(client: FlaskClient) -> None:
    install(client, description="Adds")
    (shown,) = client.get("/api/v1/plugins").get_json()["plugins"]
    assert (shown["name"], shown["version"], shown["description"]) == ("demo_plugin", "1.0.0", "Adds")
    assert (shown["status"], shown["capabilities"]) == ("live", ["demo"])
    assert client.get("/api/v1/plugins/demo_plugin").get_json()["plugin"] == shown
    listed = client.get("/api/v1/plugins/demo_plugin/tools").get_json()
    assert (listed["plugin_name"], listed["plugin_version"]) == ("demo_plugin", "1.0.0")
    (tool,) = listed["tools"]
    assert (tool["name"], tool["description"]) == ("add", "Add two numbers.")
    assert tool["parameters"]["properties"].keys() == {"a", "b"}


@pytest.mark.parametrize("path", ["/plugins/absent", "/plugins/absent/tools"])
def test_what_is_asked_of_an_unknown_plugin_is_not_found(client: FlaskClient, path: str) -> None:
    assert "'absent'" in refused(client.get(f"/api/v1{path}"), 404, "Not found")


def test_health_counts_the_plugins_that_answer(client: FlaskClient) -> None:
    install(client)
    body = client.get("/api/v1/health").get_json()
    assert (body["status"], body["live"], body["starting"], body["failed"]) == ("ok", 1, 0, 0)
