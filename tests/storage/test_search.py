"""Finding versions by what they say of themselves, and page by page."""

import sqlite3
from pathlib import Path

import pytest
from msgspec import structs

from cadence.model import HealthReport, Metadata, PluginRef, ToolSpec, TrialReport
from cadence.storage.index import Index
from cadence.storage.migrations import migrations
from tests.storage.house import record_of


def add(
    index: Index,
    slug: str,
    description: str = "for tests",
    *,
    capabilities: tuple[str, ...] = (),
    tools: tuple[ToolSpec, ...] = (),
    metadata_name: str | None = None,
    activate: bool = False,
) -> PluginRef:
    name, _, version = slug.rpartition("-")
    ref = PluginRef(name, version)
    metadata = Metadata(metadata_name or name, version, description, capabilities)
    report = TrialReport(metadata, tools, parallel_tool_calls=True, health=HealthReport(healthy=True))
    record = structs.replace(record_of(ref, f"i-{slug}"), report=report)
    index.commit_version(record, activate)
    index.mark_published(ref, record.install_id)
    return ref


def found(index: Index, words: str = "") -> list[str]:
    return [record.ref.slug for record in index.find_versions(words).records]


@pytest.mark.parametrize(
    "words",
    ["weather", "WEATHER", "weath", "forecast", "storms rain", "fetch", "meteo", "café", "cafe", "the-rain!", "x2"],
)
def test_a_version_is_found_by_words_of_its_name_description_capabilities_and_tools(index: Index, words: str) -> None:
    tool = ToolSpec("fetch_forecast", "Says how much falls on the café.", {})
    add(
        *(index, "weather_plugin-1.0.0", "The rain and the storms of x2"),
        capabilities=("meteorology",),
        tools=(tool,),
    )
    add(index, "other-1.0.0")
    assert found(index, words) == ["weather_plugin-1.0.0"]


@pytest.mark.parametrize("words", ["rain snow", "eather", "absent", "'", '"', "*", "NEAR(", "!!", "names:rain", "\0"])
def test_what_is_not_said_is_not_found_whatever_signs_are_typed(index: Index, words: str) -> None:
    add(index, "weather-1.0.0", "rain")
    assert found(index, words) == []


@pytest.mark.parametrize("words", ["", "  ", "\t"])
def test_without_words_every_version_is_found(index: Index, words: str) -> None:
    add(index, "weather-1.0.0")
    assert found(index, words) == ["weather-1.0.0"]


def test_a_metadata_name_is_found_too(index: Index) -> None:
    add(index, "math_agent-1.0.0", metadata_name="mathematics")
    assert found(index, "mathematics") == found(index, "agent") == ["math_agent-1.0.0"]


def test_what_is_replaced_or_deleted_is_not_found_by_its_old_words(index: Index) -> None:
    ref = add(index, "demo-1.0.0", "apples")
    add(index, "demo-1.0.0", "pears")
    assert (found(index, "apples"), found(index, "pears")) == ([], ["demo-1.0.0"])
    index.remove(ref)
    assert found(index, "pears") == []
    index.database.execute("INSERT INTO version_words (version_words) VALUES ('integrity-check')")


def test_words_from_a_plugin_are_taken_whatever_they_are_and_however_many(index: Index) -> None:
    add(index, "demo-1.0.0", "a \U0001f980 'x' \"y\" ; DROP TABLE versions; -- \0 nul")
    tools = tuple(ToolSpec(f"tool_{n}", "word " * 1000, {}) for n in range(200))
    add(index, "large-1.0.0", "first " + "more " * 100_000 + "last", capabilities=("many",) * 10_000, tools=tools)
    assert found(index, "DROP TABLE") == ["demo-1.0.0"]
    assert found(index, "first many") == ["large-1.0.0"]
    assert found(index, "last") == []


def test_versions_are_by_name_and_the_highest_first(index: Index) -> None:
    for slug in ("b-1.9", "a-1.0", "b-1.10", "b-1.10rc1", "c-2"):
        add(index, slug)
    assert found(index) == ["a-1.0", "b-1.10", "b-1.10rc1", "b-1.9", "c-2"]


@pytest.mark.parametrize("words", ["", "tests"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
def test_pages_give_every_version_once_and_in_order(index: Index, words: str, limit: int) -> None:
    for slug in ("b-1.9", "a-1.0", "b-1.10", "b-1.0", "b-1.0.0", "c-2"):
        add(index, slug)
    pages: list[list[str]] = []
    after: PluginRef | None = None
    while not pages or after is not None:
        page = index.find_versions(words, limit, after)
        pages.append([record.ref.slug for record in page.records])
        after = page.last
    assert [slug for page in pages for slug in page] == found(index)
    assert all(len(page) == limit for page in pages[:-1])
    assert 0 < len(pages[-1]) <= limit


def test_a_page_goes_on_where_it_was_though_versions_came_and_went(index: Index) -> None:
    refs = [add(index, f"b-1.{n}") for n in range(5)]
    first = index.find_versions(limit=2)
    assert [record.ref.version for record in first.records] == ["1.4", "1.3"]
    index.remove(refs[3])
    add(index, "b-1.5")
    add(index, "a-1.0")
    assert [record.ref.version for record in index.find_versions(limit=9, after=first.last).records] == [
        *("1.2", "1.1", "1.0")
    ]


def test_an_index_of_before_finds_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with Index.open(path) as index:
        add(index, "demo-1.0.0", "apples")
        index.database.execute("DELETE FROM _sqlite_migrations WHERE name = 'm008_search'")
        for kind, name in index.database.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY type"
        ).fetchall():
            index.database.execute(f"DROP {kind} {name}")
        for table in ("version_words", "version_texts"):
            index.database.execute(f"DROP TABLE {table}")
    with Index.open(path) as index:
        assert [migration.name for migration in migrations.applied(index.database)].count("m008_search") == 1
        assert found(index, "apples") == ["demo-1.0.0"]


def test_packing_the_file_leaves_what_is_found(index: Index) -> None:
    refs = [add(index, f"demo_{word}-1.0", word) for word in ("apples", "pears", "plums")]
    index.remove(refs[0])
    index.database.execute("VACUUM")
    assert found(index, "plums") == ["demo_plums-1.0"]
    with pytest.raises(sqlite3.IntegrityError):
        index.database.execute("INSERT INTO version_texts VALUES (99, 'demo_plums', '1.0', '', '', '', '')")
