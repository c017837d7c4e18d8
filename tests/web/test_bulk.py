"""Doing one thing to several plugins of a real server."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import Settings
from cadence.errors import InvalidRequest
from cadence.model import PluginRef
from cadence.runtime.zygote import Zygote
from cadence.web.bulk import MOST_VERSIONS_AT_ONCE, BulkView
from cadence.web.history_views import HistoryAsked
from cadence.web.listing import PAGE_PLUGINS
from cadence.web.pages import EXTENSION
from cadence.web.services import PluginServices
from tests.conftest import parts_of
from tests.web.api.asking import install


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


def delete_all(services: PluginServices) -> BulkView:
    """Delete every version of the plugin, in the order in which the page names them: the highest first."""
    versions = services.plugin("demo_plugin").versions
    return services.delete_all({PluginRef("demo_plugin", one.version): one.install_id for one in versions})


def activations(services: PluginServices) -> list[str | None]:
    """The versions that became active, the latest first; None where none was any more."""
    return [one.version for one in services.history("demo_plugin", HistoryAsked(), 50).entries if one.changed]


def test_no_version_of_a_plugin_that_is_deleted_whole_answers_in_the_place_of_another(
    client: FlaskClient, services: PluginServices
) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        install(client, version)
    services.activate("demo_plugin", "1.1.0")
    before = activations(services)
    assert delete_all(services).failed == 0
    assert [one.version for one in services.deleted() if one.was_active] == ["1.1.0"]
    assert activations(services) == [None, *before]


def test_what_came_of_each_is_told_in_the_order_that_was_asked_for(
    client: FlaskClient, services: PluginServices
) -> None:
    for version in ("1.0.0", "2.0.0"):
        install(client, version)
    assert [one.what for one in delete_all(services).outcomes] == ["demo_plugin 2.0.0", "demo_plugin 1.0.0"]


def doomed(count: int) -> dict[PluginRef, str]:
    return {PluginRef("gone", f"1.0.{number}"): "none" for number in range(count)}


def test_a_page_of_plugins_with_several_versions_each_can_be_deleted_at_once(services: PluginServices) -> None:
    assert services.delete_all(doomed(PAGE_PLUGINS * 5)).failed == PAGE_PLUGINS * 5


def test_more_versions_than_can_be_deleted_at_once_are_refused_whole(services: PluginServices) -> None:
    with pytest.raises(InvalidRequest, match="They have 1001 versions, and at most 1000 can be deleted at once"):
        services.delete_all(doomed(MOST_VERSIONS_AT_ONCE + 1))
