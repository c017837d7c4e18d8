"""The page of a comparison, the changes in a check's row, and its confirmation, without a browser."""

import re

import pytest
from flask.testing import FlaskClient

from cadence.model import InstallKind
from tests.web.pages.comparing import EVERYTHING, MARKUP, NOTHING, ComparingServices, hostile
from tests.web.pages.preview import FOUND, plugin, shown_install
from tests.web.pages.test_pages import HTMX

PAGE = "/plugins/math_plugin/compare"


@pytest.fixture
def services() -> ComparingServices:
    return ComparingServices()


def token(client: FlaskClient, services: ComparingServices) -> str:
    """The token of a page on which a check can be confirmed."""
    services.show_check(comparison=None)
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/installs/checked").text)
    assert found
    return found.group(1)


def words(html: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_a_comparison_names_every_part_and_breaking_changes_first(client: FlaskClient) -> None:
    text = words(client.get(f"{PAGE}?from=1.0.0&to=1.1.0").text)
    expected = (
        "May break who calls its tools",
        "Tool root is gone.",
        "Tools 4",
        "Breaking root is gone",
        "argument c is new and required (breaking)",
        "New median",
        "New to connect to api.example.com:443",
        "Gone 512 MiB of memory",
        "New agent.py overrides bind_model",
        "New numpy&gt;=2",
        "Packages 4",
        "Changed numpy 1.26.4 to 2.1.0",
        "And 2 more.",
        "Changed tools.py 4 KB to 6 KB",
        "Gone roots.py 900",
        "Capability “statistics”",
    )
    places = [text.find(piece) for piece in expected]
    assert -1 not in places, expected[places.index(-1)]
    assert places == sorted(places)


def test_without_versions_the_active_one_is_compared_with_the_one_below(client: FlaskClient) -> None:
    text = client.get(PAGE).text
    assert '<option value="1.0.0" selected' in text
    assert '<option value="1.1.0" selected' in text
    assert "May break who calls its tools" in text


def test_nothing_different_and_nothing_to_compare_are_said(client: FlaskClient, services: ComparingServices) -> None:
    services.comparison = NOTHING
    assert "Nothing is different." in client.get(PAGE).text
    assert "Choose two different versions." in client.get(f"{PAGE}?from=1.0.0&to=1.0.0").text
    services.installed[:] = [plugin()]
    answer = client.get(PAGE)
    assert (answer.status_code, "Only 1.0.0 is installed." in answer.text) == (200, True)


def test_an_unknown_version_or_plugin_is_not_found(client: FlaskClient) -> None:
    for address in (f"{PAGE}?from=9&to=1.0.0", f"{PAGE}?from=1.0.0&to=9", "/plugins/absent/compare"):
        assert client.get(address).status_code == 404


def test_one_file_is_shown_line_by_line(client: FlaskClient, services: ComparingServices) -> None:
    page = client.get(f"{PAGE}?from=1.0.0&to=1.1.0&file=tools.py").text
    assert "The file changed." in page
    assert re.search(r'data-kind="removed".*removed.*class="diff-text">b<', page)
    assert re.search(r'data-kind="added".*added.*class="diff-text">c<', page)
    services.texts = (b"\0", b"x")
    assert "The file is not text" in client.get(f"{PAGE}?from=1.0.0&to=1.1.0&file=tools.py").text


def test_markup_in_any_place_is_text_and_nothing_else(client: FlaskClient, services: ComparingServices) -> None:
    services.comparison, services.texts = hostile(), (MARKUP.encode(), f"{MARKUP}\n".encode())
    services.show_check(comparison=hostile())
    pages = [
        client.get(f"{PAGE}?from=1.0.0&to=1.1.0").text,
        client.get(PAGE, query_string={"file": MARKUP}).text,
        client.get("/installs/checked").text,
    ]
    for page in pages:
        assert "<b onclick" not in page
        assert page.count("&lt;b onclick=&#34;x&#34;&gt;&amp;&#39;&lt;/b&gt;") > 15
        assert 'onclick="x"' not in page


def test_a_check_shows_what_would_change_above_its_confirmation(
    client: FlaskClient, services: ComparingServices
) -> None:
    services.show_check(comparison=EVERYTHING)
    page = client.get("/installs/checked").text
    assert "What is different from 1.0.0" in page
    assert 0 < page.index("<code>root</code> is gone.") < page.index("Install this")
    assert "force_overwrite" not in page
    assert "/compare?" not in page


def test_a_check_of_what_is_not_installed_shows_no_changes(client: FlaskClient, services: ComparingServices) -> None:
    services.show_check(comparison=None)
    page = client.get("/installs/checked").text
    assert "What is different" not in page
    assert "Install this" in page


def test_a_check_whose_archive_is_gone_offers_no_confirmation(client: FlaskClient, services: ComparingServices) -> None:
    services.show_check(comparison=EVERYTHING, kept=False)
    page = client.get("/installs/checked").text
    assert "Install this" not in page
    assert "Upload the same file" in page


@pytest.mark.parametrize("installed", [False, True])
def test_a_confirmation_leads_to_the_install(client: FlaskClient, services: ComparingServices, installed: bool) -> None:
    services.show_check(comparison=EVERYTHING, installed=installed)
    page = client.get("/installs/checked").text
    assert ("Replace it with this" in page) == installed
    fields = {"csrf_token": token(client, services), **({"force_overwrite": "y"} if "force_overwrite" in page else {})}
    answer = client.post("/installs/checked/confirm", data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/installs/0001")
    assert services.confirmed == [("checked", True if installed else None)]
    assert services.options[0].activate is False


def test_a_confirmation_by_htmx_becomes_the_row_of_the_install(
    client: FlaskClient, services: ComparingServices
) -> None:
    answer = client.post("/installs/checked/confirm", data={"csrf_token": token(client, services)}, headers=HTMX)
    assert 'id="install-0001"' in answer.text


def test_a_confirmation_that_comes_too_late_or_from_elsewhere_is_refused_in_words(
    client: FlaskClient, services: ComparingServices
) -> None:
    assert client.post("/installs/checked/confirm").status_code == 403
    services.kept.clear()
    for headers in ({}, HTMX):
        answer = client.post("/installs/checked/confirm", data={"csrf_token": token(client, services)}, headers=headers)
        assert (answer.status_code, "upload the archive again" in answer.text) == (410, True)
    assert services.options == []


def test_a_check_from_before_comparisons_is_still_shown(client: FlaskClient, services: ComparingServices) -> None:
    assert "comparison" not in FOUND
    services.shown = [shown_install(outcome={"details": FOUND}, reached=5, id="old", kind=InstallKind.CHECK)]
    assert "What is different" not in client.get("/installs/old").text
