"""The log of a plugin over the API: what is asked for in words, answered in the order of time, read on by a cursor."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from cadence.parts import Parts
from tests.runtime.log_making import chunk, write
from tests.web.api.asking import install, refused


@pytest.fixture
def client(client: FlaskClient, parts: Parts) -> FlaskClient:
    """With a plugin that has written some lines."""
    install(client)
    write(parts.log_files, chunk("one\nWARNING two"), chunk("ERROR three", version="0.9.0"))
    return client


def ask(client: FlaskClient, query: str = "", name: str = "demo_plugin") -> dict[str, Any]:
    answer = client.get(f"/api/v1/plugins/{name}/logs?{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def texts(body: dict[str, Any]) -> list[str]:
    return [line["text"] for line in body["lines"]]


def test_the_last_lines_are_answered_with_all_that_is_known_of_them(client: FlaskClient) -> None:
    body = ask(client, "limit=1")
    assert body["lines"] == [
        {
            "at": "2026-01-01T00:00:00.000+00:00",
            "version": "0.9.0",
            "text": "ERROR three",
            "stream": "stdout",
            "level": "ERROR",
        }
    ]
    assert (body["success"], body["plugin_name"], body["gap"], body["more"]) == (True, "demo_plugin", 0, False)


def test_lines_are_read_page_by_page_from_the_beginning(client: FlaskClient) -> None:
    body = ask(client, "after=0&limit=2")
    assert (texts(body), body["more"]) == (["one", "WARNING two"], True)
    body = ask(client, f"after={body['cursor']}&limit=2")
    assert (texts(body), body["more"]) == (["ERROR three"], False)
    assert texts(ask(client, f"after={body['cursor']}")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("level=error", ["ERROR three"]),
        ("level=WARNING&version=1.0.0", ["WARNING two"]),
        ("q=W", ["WARNING two"]),
        ("stream=stderr", []),
        ("level=&q=&version=&stream=&limit=&after=", ["one", "WARNING two", "ERROR three"]),
    ],
)
def test_lines_are_chosen_by_what_is_asked(client: FlaskClient, query: str, found: list[str]) -> None:
    assert texts(ask(client, query)) == found


def test_what_was_overwritten_is_told(client: FlaskClient, parts: Parts) -> None:
    cursor = ask(client)["cursor"]
    for number in range(30):
        write(parts.log_files, chunk(f"{number:02}" * 25_000))
    body = ask(client, f"after={cursor}&limit=1")
    assert body["gap"] > 0
    assert body["lines"][0]["text"][:2] not in ("on", "00")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit must be a number from 1 to 1000, not '0'."),
        ("limit=1001", "limit must be a number from 1 to 1000, not '1001'."),
        ("limit=" + "9" * 5000, "limit must be a number"),
        ("limit=%D9%A3", "limit must be a number"),
        ("level=LOUD", "level must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'LOUD'."),
        ("stream=%1B%5B31m", "stream must be one of stdout, stderr, cadence, not "),
        ("q=" + "x" * 201, "q must be at most 200 characters long, not 201."),
        ("after=yesterday", "after must be the cursor of an earlier answer"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(client: FlaskClient, query: str, words: str) -> None:
    details = refused(client.get(f"/api/v1/plugins/demo_plugin/logs?{query}"), 400, "Invalid request")
    assert details.startswith(words)
    assert details.isprintable()


def test_every_fault_is_told_at_once(client: FlaskClient) -> None:
    details = refused(client.get("/api/v1/plugins/demo_plugin/logs?limit=x&level=x"), 400, "Invalid request")
    assert len(details) == 2


@pytest.mark.parametrize("name", ["unknown", "..", ".lock", "%2e%2e"])
def test_of_a_plugin_that_nobody_knows_there_is_no_log(client: FlaskClient, name: str) -> None:
    refused(client.get(f"/api/v1/plugins/{name}/logs"), 404, "Not found")


def test_a_plugin_that_was_deleted_keeps_its_log_while_it_can_be_restored(client: FlaskClient) -> None:
    client.delete("/api/v1/plugins/uploaded/demo_plugin/1.0.0")
    assert "ERROR three" in texts(ask(client))


def test_a_plugin_that_has_written_nothing_has_an_empty_log(client: FlaskClient, parts: Parts) -> None:
    parts.log_files.forget("demo_plugin")
    assert ask(client)["lines"] == []
