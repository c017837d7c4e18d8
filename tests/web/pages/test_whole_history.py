"""The history of all plugins: what was decided, what happened, and which plugin it was about."""

import re

import pytest
from flask.testing import FlaskClient
from msgspec import structs
from playwright.sync_api import expect

from cadence.history import ActivationCause, EventKind
from cadence.origin import OriginKind
from cadence.web.history_views import HistoryEntry
from cadence.web.pages.narrative import told
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices, plugin
from tests.web.pages.preview_versions import activated, happened

HTMX = {"HX-Request": "true"}
PAGE = "/history"


@pytest.fixture
def services() -> MadeUpServices:
    """Two plugins, one that is gone, and a reload of all."""
    services = MadeUpServices([plugin(), plugin("weather_plugin")])
    services.happenings = [
        happened(EventKind.RELOADED, None, origin=OriginKind.COMMAND, client="root"),
        happened(EventKind.CRASHED, "2.0.0", "It fell.", origin=OriginKind.SERVER, plugin_name="weather_plugin"),
        happened(EventKind.PINNED, "1.1.0", origin=OriginKind.PAGE, client="127.0.0.1", plugin_name="math_plugin"),
        happened(EventKind.DELETED, "1.0.0", origin=OriginKind.API, plugin_name="gone_plugin"),
        activated("1.1.0", None, ActivationCause.INSTALL, plugin_name="math_plugin"),
    ]
    return services


def entries(client: FlaskClient, address: str = PAGE) -> list[str]:
    """Each entry in words, as it is read, without when it was."""
    found = re.findall(r'<li class="audit-entry".*?</li>', client.get(address).text, re.DOTALL)
    words = [" ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in found]
    return [one.partition(" ago ")[2] for one in words]


def test_each_entry_says_which_plugin_it_is_about(client: FlaskClient) -> None:
    assert entries(client) == [
        "Every plugin A reload was asked for At the command line, by root",
        "weather_plugin Trouble: 2.0.0 crashed: It fell. The server by itself",
        "math_plugin 1.1.0 was pinned On a page, from 127.0.0.1",
        "gone_plugin 1.0.0 was deleted By the API",
        "math_plugin 1.1.0 was installed and is active",
    ]


def test_a_plugin_is_a_link_to_its_own_history_also_one_that_is_gone(client: FlaskClient) -> None:
    page = client.get(PAGE).text
    for name in ("math_plugin", "weather_plugin", "gone_plugin"):
        assert f'href="/plugins/{name}/history"' in page


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("plugin=math_plugin", 3),
        ("plugin=%20gone_plugin%20", 2),
        ("plugin=math_plugin&kind=versions&origin=page", 1),
        ("kind=trouble", 1),
        ("plugin=&kind=&origin=", 5),
        ("kind=permissions", 0),
    ],
)
def test_a_part_of_it_has_an_address(client: FlaskClient, query: str, count: int) -> None:
    """What happened to all of them happened to each."""
    assert len(entries(client, f"{PAGE}?{query}")) == count
    page = client.get(f"{PAGE}?{query}").text
    assert ("Nothing of that kind happened" in page) == (not count)


def test_the_form_shows_what_is_looked_at(client: FlaskClient) -> None:
    page = client.get(f"{PAGE}?plugin=math_plugin&kind=versions&origin=page").text
    assert 'name="plugin" value="math_plugin"' in page
    assert '<option value="versions" selected>' in page
    assert '<option value="page" selected>' in page
    assert "Show all" in page
    assert "Show all" not in client.get(PAGE).text


def test_a_plugin_nobody_knows_is_said_to_be_none(client: FlaskClient, services: MadeUpServices) -> None:
    del services.happenings[0]
    answer = client.get(f"{PAGE}?plugin=nowhere")
    assert answer.status_code == 200
    assert "Nothing is known of a plugin with the name nowhere." in answer.text


def test_what_makes_no_sense_is_refused_in_words(client: FlaskClient) -> None:
    answer = client.get(f"{PAGE}?kind=x&origin=y")
    assert answer.status_code == 400
    assert "kind must be one of" in answer.text
    assert "origin must be one of" in answer.text


def test_a_server_on_which_nothing_happened_says_what_will_be_told(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.happenings.clear()
    assert "Nothing happened yet." in client.get(PAGE).text


def test_what_is_looked_at_follows_and_stays_what_it_is(client: FlaskClient, services: MadeUpServices) -> None:
    page = client.get(f"{PAGE}?plugin=math_plugin&kind=trouble").text
    follows = re.search(r'hx-get="(/history[^"]+)"', page)
    assert follows
    address = follows[1].replace("&amp;", "&")
    assert {"plugin=math_plugin", "kind=trouble"} == {*address.partition("?")[2].split("&")}
    first = client.get(address, headers=HTMX)
    assert "<html" not in first.text
    known = HTMX | {"If-None-Match": first.headers["ETag"]}
    services.happenings.insert(0, happened(EventKind.CRASHED, plugin_name="weather_plugin"))
    assert client.get(address, headers=known).status_code == 304
    services.happenings.insert(0, happened(EventKind.CRASHED, plugin_name="math_plugin"))
    assert client.get(address, headers=known).status_code == 200


def test_it_is_shown_page_by_page_and_only_the_first_follows(client: FlaskClient, services: MadeUpServices) -> None:
    services.happenings = [happened(EventKind.CRASHED, f"1.{n}.0", plugin_name="math_plugin") for n in range(120)]
    seen, address = [], f"{PAGE}?plugin=math_plugin&kind=trouble"
    while True:
        page = client.get(address).text
        assert ('hx-get="/history' in page) == ("before=" not in address)
        seen += entries(client, address)
        older = re.search(r'id="history-older" href="([^"]+)"', page)
        if older is None:
            break
        address = older[1].replace("&amp;", "&")
        assert "plugin=math_plugin" in address
    assert len(set(seen)) == len(seen) == 120
    assert 'id="history-newest" href="/history?plugin=math_plugin&amp;kind=trouble"' in page


def test_the_troubles_of_two_plugins_side_by_side_are_told_apart() -> None:
    """One was taken back; the other happens to have been rolled back from the same number."""
    change = HistoryEntry(
        "2026-01-02T03:04:05+00:00", ActivationCause.AUTOMATIC_ROLLBACK, "", "1.0.0", changed=True,
        previous_version="2.0.0", plugin_name="math_plugin",
    )  # fmt: skip
    event = HistoryEntry("2026-01-02T03:04:05+00:00", EventKind.QUARANTINED, "", "2.0.0", "It fell.")
    assert len(told([change, HistoryEntry(event.at, event.kind, "", "2.0.0", plugin_name="other")])) == 2
    (one,) = told([change, HistoryEntry(event.at, event.kind, "", "2.0.0", "It fell.", plugin_name="math_plugin")])
    assert (one.plugin_name, one.words) == ("math_plugin", "It fell.")


# In a browser


def test_by_keyboard_a_plugin_is_looked_for_and_back_leads_back(open_page: OpenPage) -> None:
    page = open_page("/plugins")
    page.get_by_role("navigation", name="Areas").get_by_role("link", name="History").press("Enter")
    expect(page.locator(".audit-entry")).to_have_count(5)
    page.get_by_label("Plugin").focus()
    page.keyboard.type("gone_plugin")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator(".audit-entry")).to_have_count(2)
    page.go_back()
    expect(page.locator(".audit-entry")).to_have_count(5)


def test_while_it_grows_what_was_written_in_the_form_stays(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(PAGE)
    page.get_by_label("Plugin").fill("math")
    page.get_by_label("Plugin").focus()
    services.happenings.insert(0, happened(EventKind.UNPINNED, None, plugin_name="math_plugin"))
    expect(page.locator(".audit-entry")).to_have_count(6)
    expect(page.get_by_label("Plugin")).to_have_value("math")
    expect(page.get_by_label("Plugin")).to_be_focused()


def test_while_it_grows_a_link_keeps_the_focus(open_page: OpenPage, services: MadeUpServices) -> None:
    services.happenings = [structs.replace(one, id=f"e{n}") for n, one in enumerate(services.happenings)]
    page = open_page(PAGE)
    page.get_by_role("link", name="weather_plugin").focus()
    services.happenings.insert(0, happened(EventKind.UNPINNED, None, plugin_name="math_plugin"))
    expect(page.locator(".audit-entry")).to_have_count(6)
    expect(page.get_by_role("link", name="weather_plugin")).to_be_focused()


def test_without_scripts_a_part_is_chosen_too(open_page: OpenPage) -> None:
    page = open_page(PAGE, java_script_enabled=False)
    page.get_by_label("Done from").select_option("server")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".audit-entry")).to_have_count(1)
