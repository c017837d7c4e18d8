"""The list of plugins of a real server: what it shows, and that it is never behind."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from cadence.web.bulk import BulkAction
from cadence.web.listing import ListedPlugin, ListQuestion, Sort
from cadence.web.pages import EXTENSION
from cadence.web.services import PluginServices
from tests.building import archive_bytes, plugin_files
from tests.conftest import parts_of
from tests.web.api.asking import upload


@pytest.fixture
def app(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(settings, zygote)
    parts_of(app).start(serve=True)
    yield app
    parts_of(app).close()


@pytest.fixture
def services(app: Flask) -> PluginServices:
    found = app.extensions[EXTENSION]
    assert isinstance(found, PluginServices)
    return found


def install(client: FlaskClient, name: str, version: str = "1.0.0", description: str = "A plugin") -> None:
    archive = archive_bytes(plugin_files(name, version, description=description))
    assert upload(client, archive, f"{name}-{version}.zip").status_code == 201


def names(services: PluginServices, **question: object) -> list[str]:
    return [one.name for one in services.listed(ListQuestion(**question)).plugins]  # type: ignore[arg-type]  # each of its own type


def row(services: PluginServices, name: str) -> ListedPlugin:
    return next(one for one in services.listed(ListQuestion()).plugins if one.name == name)


def test_every_change_is_in_the_next_list(client: FlaskClient, services: PluginServices) -> None:
    assert services.listed(ListQuestion()).installed == 0
    install(client, "alpha")
    assert names(services) == ["alpha"]
    install(client, "beta")
    install(client, "beta", "2.0.0")
    assert names(services) == ["alpha", "beta"]
    assert (row(services, "beta").version, row(services, "beta").versions) == ("2.0.0", 2)
    client.post("/api/v1/plugins/alpha/disable")
    assert services.listed(ListQuestion()).counts == {"disabled": 1, "live": 1}
    client.delete("/api/v1/plugins/uploaded/beta/2.0.0")
    assert row(services, "beta").version == "1.0.0"
    client.delete("/api/v1/plugins/uploaded/beta/1.0.0")
    assert names(services) == ["alpha"]


def test_a_plugin_that_falls_asleep_or_wakes_is_shown_so_at_once(client: FlaskClient, services: PluginServices) -> None:
    install(client, "alpha")
    assert row(services, "alpha").status == "live"
    assert services.running.live_set.sleep("alpha")
    assert services.listed(ListQuestion()).counts == {"asleep": 1}
    assert row(services, "alpha").memory_bytes is None
    client.post("/api/v1/plugins/alpha/tools/add", json={"a": 1, "b": 2})
    assert services.listed(ListQuestion()).counts == {"live": 1}


def test_who_can_answer_is_known_without_looking_at_each(client: FlaskClient, services: PluginServices) -> None:
    for name in ("alpha", "beta", "gamma"):
        install(client, name)
    client.post("/api/v1/plugins/beta/disable")
    assert services.running.live_set.sleep("gamma")
    assert [one.name for one in services.answering()] == ["alpha", "gamma"]
    assert services.names() == {"alpha", "beta", "gamma"}


def test_calls_and_memory_of_a_plugin_are_shown(client: FlaskClient, services: PluginServices) -> None:
    install(client, "alpha")
    for arguments in ({"a": 1, "b": 2}, {"a": 3, "b": 4}):
        client.post("/api/v1/plugins/alpha/tools/add", json=arguments)
    shown = row(services, "alpha")
    assert (sum(shown.calls), sum(shown.errors)) == (2, 0)
    assert shown.last_called_at is not None
    assert shown.memory_bytes is not None
    assert shown.memory_bytes > 100_000


def test_it_is_searched_filtered_sorted_and_paged(client: FlaskClient, services: PluginServices) -> None:
    for name in ("alpha", "beta", "gamma"):
        install(client, name, description=f"The plugin {name} for {'trees' if name == 'beta' else 'water'}")
    client.post("/api/v1/plugins/gamma/disable")
    client.post("/api/v1/plugins/beta/tools/add", json={"a": 1, "b": 2})
    assert names(services, search="tree") == ["beta"]
    assert names(services, search="water plugin") == ["alpha", "gamma"]
    assert names(services, search="water", status="disabled") == ["gamma"]
    assert names(services, search="!?") == []
    found = services.listed(ListQuestion(search="water", status="disabled"))
    assert (found.counts, found.found, found.matching, found.installed) == ({"live": 1, "disabled": 1}, 1, 2, 3)
    assert names(services, sort=Sort.NEWEST) == ["gamma", "beta", "alpha"]
    assert names(services, sort=Sort.CALLED)[0] == "beta"
    assert names(services, sort=Sort.CALLS)[0] == "beta"
    assert names(services, sort=Sort.STATUS)[-1] == "gamma"
    beyond = services.listed(ListQuestion(page=99))
    assert (beyond.question.page, len(beyond.plugins)) == (1, 3)


def test_several_plugins_are_switched_and_what_fails_is_told_by_name(
    client: FlaskClient, services: PluginServices
) -> None:
    install(client, "alpha")
    install(client, "beta")
    done = services.switch_all(BulkAction.DISABLE, ["alpha", "absent"])
    assert [(one.what, one.succeeded) for one in done.outcomes] == [("absent", False), ("alpha", True)]
    assert "No plugin 'absent' is installed." in done.outcomes[0].words
    again = services.switch_all(BulkAction.RELOAD, ["alpha", "beta"])
    assert [(one.what, one.succeeded) for one in again.outcomes] == [("alpha", False), ("beta 1.0.0", True)]
    services.switch_all(BulkAction.ENABLE, ["alpha"])
    assert services.listed(ListQuestion()).counts == {"live": 2}


def test_only_what_was_chosen_is_loaded_anew(client: FlaskClient, services: PluginServices) -> None:
    install(client, "alpha")
    install(client, "beta")
    live_set = services.running.live_set
    before = {plugin.record.ref.name: plugin.pid for plugin in live_set.plugins()}
    services.switch_all(BulkAction.RELOAD, ["beta"])
    after = {plugin.record.ref.name: plugin.pid for plugin in live_set.plugins()}
    assert after["alpha"] == before["alpha"]
    assert after["beta"] != before["beta"]
