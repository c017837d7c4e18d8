"""Conversations on a real server: while plugins change and the server ends, and a client that goes away."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.building import archive_bytes, example_archive, plugin_files
from tests.runtime.house import with_ping
from tests.server.process import PATIENCE_SECONDS, Server, await_true, serving

SLOW = with_ping(
    """
    import time
    from pathlib import Path

    @tool
    def doze() -> str:
        "Doze."
        Path("asleep").touch()
        time.sleep(20)
        return "Awake."
    """,
    "doze",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "instance") as server:
        yield server


def install(server: Server, slug: str, content: bytes | None = None) -> None:
    answer = server.upload(content or example_archive(slug), f"{slug}.zip", force_overwrite="true")
    assert answer.ok, answer.text


def ask(server: Server, message: str, thread_id: str | None = None) -> dict[str, Any]:
    answer = server.post("/chat", json={"message": message, "thread_id": thread_id})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


class Following:
    """A turn that is followed by its events, from when it has begun."""

    def __init__(self, server: Server, message: str) -> None:
        headers = {"Accept": "text/event-stream"}
        url, body = f"{server.api}/chat", {"message": message}
        self.answer = requests.post(url, json=body, headers=headers, stream=True, timeout=PATIENCE_SECONDS)
        self.lines = self.answer.iter_lines(chunk_size=1)  # letting go of it would close the connection
        data = next(line for line in self.lines if line.startswith(b"data: "))
        self.thread = str(json.loads(data.removeprefix(b"data: "))["thread_id"])


def states(server: Server, thread_id: str) -> list[str]:
    return [turn["state"] for turn in server.get(f"/threads/{thread_id}").json()["turns"]]


def test_a_conversation_survives_what_happens_to_its_plugin_and_its_server(tmp_path: Path) -> None:
    """Upgraded, rolled back, deleted, uploaded again, the server ended, and killed: no turn is lost."""
    instance = tmp_path / "instance"
    with serving(instance) as server:
        install(server, "math_plugin-1.0.0")
        first = ask(server, "what is 12 times 7, and add 5 to it")
        thread = first["thread_id"]
        assert "89" in first["response"]
        install(server, "math_plugin-1.1.0")
        assert ask(server, "add 1 and 1", thread)["steps"][0]["plugin_version"] == "1.1.0"
        assert server.post("/plugins/math_plugin/rollback").ok
        assert ask(server, "add 2 and 2", thread)["steps"][0]["plugin_version"] == "1.0.0"
        for version in ("1.1.0", "1.0.0"):
            assert server.delete(f"/plugins/uploaded/math_plugin/{version}").ok
        without = ask(server, "add 3 and 3", thread)
        assert (without["steps"], len(without["notices"])) == ([], 1)
        assert server.end() == 0
    with serving(instance) as server:
        install(server, "math_plugin-1.1.0")
        assert ask(server, "add 4 and 4", thread)["steps"][0]["result"] == 8
        server.kill()
    with serving(instance) as server:
        assert ask(server, "add 5 and 5", thread)["steps"][0]["result"] == 10
        assert states(server, thread) == ["answered"] * 6


def test_a_turn_whose_server_is_killed_is_shown_as_interrupted_and_the_thread_goes_on(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    with serving(instance) as server:
        install(server, "demo_plugin-1.0.0", archive_bytes(plugin_files(tools=SLOW)))
        turn = Following(server, "doze")
        await_true((instance / "data" / "demo_plugin" / "asleep").exists)
        assert states(server, turn.thread) == ["running"]
        server.kill()
        turn.answer.close()
    with serving(instance) as server:
        assert states(server, turn.thread) == ["interrupted"]
        assert ask(server, "/help", turn.thread)["number"] == 2


def test_a_client_that_goes_away_stops_its_turn(server: Server) -> None:
    install(server, "demo_plugin-1.0.0", archive_bytes(plugin_files(tools=SLOW)))
    turn = Following(server, "doze")
    await_true((server.instance / "data" / "demo_plugin" / "asleep").exists)
    turn.answer.close()
    await_true(lambda: states(server, turn.thread) == ["stopped"], "the end of the turn")


def test_a_turn_can_be_stopped_and_the_rest_of_the_server_answers_meanwhile(server: Server) -> None:
    install(server, "demo_plugin-1.0.0", archive_bytes(plugin_files(tools=SLOW)))
    turn = Following(server, "doze")
    await_true((server.instance / "data" / "demo_plugin" / "asleep").exists)
    busy = server.post("/chat", json={"message": "And?", "thread_id": turn.thread})
    assert (busy.status_code, busy.json()["message"]) == (409, "Conversation is busy")
    assert server.post(f"/threads/{turn.thread}/stop").json()["stopped"] is True
    events = [line for line in turn.lines if line.startswith(b"event: ")]
    assert events[-1] == b"event: error"
    assert states(server, turn.thread) == ["stopped"]
