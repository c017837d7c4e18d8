"""The section of the history: what happened and on whose word, in parts and page by page, also of what is gone."""

import re

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect

from cadence.history import ActivationCause, EventKind
from cadence.model import PluginRef
from cadence.origin import OriginKind
from cadence.web.history_views import TOPICS, HistoryEntry
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices, plugin
from tests.web.pages.preview_versions import activated, happened
from tests.web.pages.test_browser_frame import CONTRAST, Scheme

HTMX = {"HX-Request": "true"}
PAGE = "/plugins/math_plugin/history"
FOLLOWS = "/plugins/math_plugin/standing?tab=history"
MARKUP = "<img src=x onerror=alert(1)>"
LONG = "words-that-go-on-and-on-without-a-space-" * 20


@pytest.fixture
def services() -> MadeUpServices:
    """A plugin that had an eventful life."""
    services = MadeUpServices([plugin(), plugin("other")])
    services.happenings = [
        happened(EventKind.PINNED, "1.1.0", origin=OriginKind.PAGE, client="127.0.0.1"),
        happened(EventKind.GRANTED, None, "memory_mb 256 instead of the default", origin=OriginKind.API, client="::1"),
        happened(EventKind.RELOADED, None, origin=OriginKind.COMMAND, client="root"),
        happened(EventKind.CRASHED, "1.1.0", "It fell.", origin=OriginKind.SERVER),
        happened(EventKind.INSTALL_FAILED, "1.1.0", MARKUP, origin=OriginKind.PAGE, install_id="b"),
        activated("1.0.0", None, ActivationCause.INSTALL),
    ]
    return services


def entries(client: FlaskClient, address: str = PAGE) -> list[str]:
    """Each entry in words, as it is read."""
    found = re.findall(r'<li class="audit-entry".*?</li>', client.get(address).text, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in found]


def test_each_entry_says_what_happened_and_on_whose_word(client: FlaskClient) -> None:
    pinned, granted, reloaded, crashed, failed, installed = (one.partition(" ago ")[2] for one in entries(client))
    assert pinned == "1.1.0 was pinned On a page, from 127.0.0.1"
    assert granted == "Permissions were changed: memory_mb 256 instead of the default By the API, from ::1"
    assert reloaded == "A reload was asked for At the command line, by root"
    assert crashed == "Trouble: 1.1.0 crashed: It fell. The server by itself"
    assert failed.startswith("Trouble: 1.1.0 was not installed: &lt;img src=x")
    assert installed == "1.0.0 was installed and is active"


def test_an_install_is_a_link_to_what_it_said(client: FlaskClient) -> None:
    assert 'href="/installs/b"' in client.get(PAGE).text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("kind=permissions", 1),
        ("kind=trouble", 2),
        ("kind=trouble&version=1.1.0&origin=server", 1),
        ("origin=command", 1),
        ("version=9.9.9", 0),
        ("kind=reloaded", 1),
    ],
)
def test_a_part_of_it_has_an_address_and_the_form_shows_which(client: FlaskClient, query: str, count: int) -> None:
    page = client.get(f"{PAGE}?{query}").text
    assert len(entries(client, f"{PAGE}?{query}")) == count
    for value in dict(pair.split("=") for pair in query.split("&")).values():
        assert f'<option value="{value}" selected>' in page
    assert "Show all" in page
    if not count:
        assert "Nothing of that kind happened, as far as is kept." in page


@pytest.mark.parametrize("kind", [topic.key for topic in TOPICS])
def test_every_part_can_be_chosen(client: FlaskClient, kind: str) -> None:
    assert f'<option value="{kind}">' in client.get(PAGE).text


def test_what_is_looked_at_follows_and_stays_what_it_is(client: FlaskClient, services: MadeUpServices) -> None:
    """The fragment asks for itself with the address of the page, and answers nothing as long as that is the same."""
    page = client.get(f"{PAGE}?kind=trouble&origin=server").text
    follows = re.search(r'hx-get="(/plugins/math_plugin/standing[^"]+)"', page)
    assert follows
    address = follows[1].replace("&amp;", "&")
    assert {"tab=history", "kind=trouble", "origin=server"} == {*address.partition("?")[2].split("&")}
    first = client.get(address, headers=HTMX)
    known = HTMX | {"If-None-Match": first.headers["ETag"]}
    services.happenings.insert(0, happened(EventKind.PINNED, origin=OriginKind.SERVER))
    assert client.get(address, headers=known).status_code == 304
    services.happenings.insert(0, happened(EventKind.CRASHED, origin=OriginKind.SERVER))
    assert client.get(address, headers=known).status_code == 200


def test_it_is_shown_page_by_page_and_each_has_an_address(client: FlaskClient, services: MadeUpServices) -> None:
    services.happenings = [happened(EventKind.CRASHED, f"1.{number}.0") for number in range(120)]
    seen, address = [], f"{PAGE}?kind=trouble"
    while True:
        page = client.get(address).text
        seen += entries(client, address)
        older = re.search(r'id="history-older" href="([^"]+)"', page)
        if older is None:
            break
        address = older[1].replace("&amp;", "&")
        assert "kind=trouble" in address
    assert len(set(seen)) == len(seen) == 120
    assert 'id="history-newest" href="/plugins/math_plugin/history?kind=trouble"' in page


def test_what_makes_no_sense_is_refused_in_words(client: FlaskClient) -> None:
    answer = client.get(f"{PAGE}?kind=x&origin=y")
    assert answer.status_code == 400
    assert "kind must be one of" in answer.text
    assert "origin must be one of" in answer.text


def test_a_plugin_to_which_nothing_happened_says_so(client: FlaskClient, services: MadeUpServices) -> None:
    services.happenings.clear()
    assert "Nothing happened to it yet." in client.get(PAGE).text


def test_what_was_deleted_has_its_history_and_an_undo_there(client: FlaskClient, services: MadeUpServices) -> None:
    services.delete(PluginRef("other", "1.0.0"))
    answer = client.get("/plugins/other/history")
    assert answer.status_code == 200
    for words in ("It is not installed.", "1.1.0 was pinned", 'action="/plugins/other/1.0.0/restore"'):
        assert words in answer.text
    assert "standing" not in answer.text
    services.happenings.clear()
    assert client.get("/plugins/other/history").status_code == 404


@pytest.mark.parametrize("field", ["version", "words", "client", "previous_version"])
def test_nothing_in_it_is_markup(client: FlaskClient, services: MadeUpServices, field: str) -> None:
    values = {"version": "1.0.0", "words": "", "client": "x", "previous_version": "0.9.0", field: MARKUP}
    entry = HistoryEntry(
        services.happenings[0].at, "rollback", "", changed=True, origin=OriginKind.PAGE, install_id="a", **values
    )
    services.happenings = [entry]
    for address in (PAGE, FOLLOWS):
        text = client.get(address).text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


def test_words_without_an_end_are_cut(client: FlaskClient, services: MadeUpServices) -> None:
    services.happenings = [happened(EventKind.CRASHED, words="x" * 5000)]
    assert "x" * 700 not in client.get(PAGE).text


# In a browser


def test_by_keyboard_a_part_is_chosen_and_back_leads_back(open_page: OpenPage) -> None:
    page = open_page(PAGE)
    page.get_by_label("What").focus()
    page.keyboard.type("Perm")
    page.get_by_role("button", name="Show", exact=True).press("Enter")
    expect(page.locator(".audit-entry")).to_have_count(1)
    assert page.url.partition("?")[2].startswith("kind=permissions")
    page.get_by_role("link", name="Show all").press("Enter")
    expect(page.locator(".audit-entry")).to_have_count(6)
    page.go_back()
    expect(page.locator(".audit-entry")).to_have_count(1)


def test_while_it_grows_what_was_chosen_in_the_form_stays(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(PAGE)
    page.get_by_label("Done from").select_option("command")
    page.get_by_label("What").focus()
    services.happenings.insert(0, happened(EventKind.UNPINNED, None, origin=OriginKind.PAGE))
    expect(page.locator(".audit-entry")).to_have_count(7)
    expect(page.get_by_label("Done from")).to_have_value("command")
    expect(page.get_by_label("What")).to_be_focused()


def test_without_scripts_a_part_is_chosen_too(open_page: OpenPage) -> None:
    page = open_page(PAGE, java_script_enabled=False)
    page.get_by_label("Done from").select_option("server")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".audit-entry")).to_have_count(1)


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_makes_it_wider_than_the_window(open_page: OpenPage, services: MadeUpServices, width: int) -> None:
    services.happenings.insert(0, happened(EventKind.CRASHED, LONG, LONG, origin=OriginKind.PAGE, client=LONG[:64]))
    page = open_page(PAGE, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(open_page: OpenPage, scheme: Scheme) -> None:
    page = open_page(PAGE, color_scheme=scheme, reduced_motion="reduce")
    assert page.evaluate(CONTRAST) == []
