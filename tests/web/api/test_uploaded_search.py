"""The list of installed versions: whole as the specification has it, searched, and page by page."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from cadence.model import HealthReport, Metadata, PluginRef, ToolSpec, TrialReport
from cadence.parts import Parts
from tests.storage.house import record_of
from tests.web.api.asking import install, refused

UPLOADED = "/api/v1/plugins/uploaded"


def put(parts: Parts, name: str, version: str, description: str = "", tools: tuple[str, ...] = ()) -> None:
    """Into the index only: what is searched is not run."""
    ref = PluginRef(name, version)
    specs = tuple(ToolSpec(tool, "", {}) for tool in tools)
    metadata = Metadata(name, version, description, ("counting",))
    report = TrialReport(metadata, specs, parallel_tool_calls=True, health=HealthReport(healthy=True))
    record = structs.replace(record_of(ref, f"i-{ref.slug}"), report=report)
    parts.index.commit_version(record, activate=False)
    parts.index.mark_published(ref, record.install_id)


@pytest.fixture
def seven(client: FlaskClient, parts: Parts) -> FlaskClient:
    for number in range(5):
        put(parts, "beta_plugin", f"1.{number}.0", "Counts apples")
    put(parts, "alpha", "1.0.0", "Counts pears", ("count_pears",))
    put(parts, "gamma", "0.1", "Says hello")
    return client


def ask(client: FlaskClient, **query: str | int) -> dict[str, Any]:
    answer = client.get(UPLOADED, query_string=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def slugs(body: dict[str, Any]) -> list[str]:
    return [f"{plugin['name']}-{plugin['version']}" for plugin in body["plugins"]]


def test_without_parameters_the_list_is_as_the_specification_has_it(seven: FlaskClient) -> None:
    body = seven.get(UPLOADED).get_json()
    assert body.keys() == {"success", "plugins"}
    assert len(body["plugins"]) == 7
    assert body["plugins"][0].keys() >= {"name", "version", "directory"}


def test_versions_are_found_by_what_they_say_of_themselves(seven: FlaskClient) -> None:
    found = {
        "pears": ["alpha-1.0.0"],
        "COUNT pear": ["alpha-1.0.0"],
        "gam": ["gamma-0.1"],
        "count_pears": ["alpha-1.0.0"],
        "plugin apples": [f"beta_plugin-1.{number}.0" for number in (4, 3, 2, 1, 0)],
        "counting hello": ["gamma-0.1"],
        **{nothing: [] for nothing in ("nothing", "'; DROP TABLE versions; --", '"', "*")},
    }
    for words, expected in found.items():
        body = ask(seven, q=words)
        assert (slugs(body), body["next"]) == (expected, None)


def test_pages_follow_one_another_without_gap_or_double(seven: FlaskClient) -> None:
    everything = slugs(ask(seven))
    for limit in (1, 2, 3, 7):
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            body = ask(seven, limit=limit, after=after)
            assert len(body["plugins"]) <= limit
            found += slugs(body)
            after = body["next"]
        assert found == everything
    assert everything == ["alpha-1.0.0", *(f"beta_plugin-1.{n}.0" for n in (4, 3, 2, 1, 0)), "gamma-0.1"]


def test_a_page_of_a_search_goes_on_after_what_was_deleted_meanwhile(seven: FlaskClient) -> None:
    first = ask(seven, q="apples", limit=2)
    assert first["next"] == "beta_plugin/1.3.0"
    assert seven.delete(f"{UPLOADED}/beta_plugin/1.3.0").status_code == 200
    assert slugs(ask(seven, q="apples", limit=2, after=first["next"])) == ["beta_plugin-1.2.0", "beta_plugin-1.1.0"]


def test_what_is_uploaded_is_found_at_once_and_what_is_deleted_is_not(client: FlaskClient) -> None:
    install(client, "1.0.0", description="Weighs elephants")
    assert slugs(ask(client, q="elephants")) == ["demo_plugin-1.0.0"]
    client.delete(f"{UPLOADED}/demo_plugin/1.0.0")
    assert slugs(ask(client, q="elephants")) == []


def test_a_limit_or_a_place_that_is_none_is_refused_in_words(client: FlaskClient) -> None:
    for limit in ("0", "501", "-1", "many", "", "1.5", "\u0661"):
        details = refused(client.get(UPLOADED, query_string={"limit": limit}), 400, "Invalid request")
        assert details.startswith("limit must be a number from 1 to 500")
    for after in ("beta", "/1.0.0", "beta/", "beta/latest", "/", "\x00", "beta/1.0/2", "9" * 5000):
        details = refused(client.get(UPLOADED, query_string={"after": after}), 400, "Invalid request")
        assert details.startswith("after must be the `next` of the page before")
