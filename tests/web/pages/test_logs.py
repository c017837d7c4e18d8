"""The page of a log: whole without scripts, in parts for htmx, and nothing of a line taken for HTML."""

import re
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from cadence.runtime.log_lines import Level, Stream
from cadence.web.logs import LogQuestion
from cadence.web.pages.logs import log_time
from tests.web.pages.preview import MadeUpServices
from tests.web.pages.preview_logs import log_line

HTMX = {"HX-Request": "true"}
PATH = "/plugins/math_plugin/logs"


@pytest.fixture(autouse=True)
def logged(services: MadeUpServices) -> None:
    services.logged["math_plugin"] = [
        log_line("one"),
        log_line("WARNING demo: <script>alert(1)</script>", Level.WARNING, Stream.STDERR),
    ]


def test_the_page_shows_the_last_lines_without_scripts(client: FlaskClient) -> None:
    page = client.get(PATH).text
    assert "<title>math_plugin: Log · Cadence</title>" in page
    assert '<p class="log-text">one</p>' in page
    assert "1.0.0 stderr" in page
    assert '<form class="log-form"' in page
    assert f'href="{PATH}?after=2"' in page


def test_what_a_plugin_writes_is_never_html(client: FlaskClient) -> None:
    assert "<script>alert" not in client.get(PATH).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get(PATH, headers=HTMX).text


def test_htmx_gets_the_log_alone_which_asks_for_what_is_new(client: FlaskClient) -> None:
    part = client.get(PATH, headers=HTMX).text
    assert part.startswith('<div id="log">')
    assert 'role="log" aria-live="off"' in part
    assert f'hx-get="{PATH}?after=2"' in part


def test_where_nothing_is_new_the_answer_is_empty(client: FlaskClient) -> None:
    answer = client.get(f"{PATH}?after=2", headers=HTMX)
    assert (answer.status_code, answer.data) == (204, b"")


def test_only_new_lines_come_and_what_asks_for_the_next(client: FlaskClient, services: MadeUpServices) -> None:
    services.logged["math_plugin"].append(log_line("three"))
    part = client.get(f"{PATH}?after=2", headers=HTMX).text
    assert re.findall(r'log-text">(.*?)<', part) == ["three"]
    assert f'hx-get="{PATH}?after=3"' in part


def test_lines_that_are_not_wanted_move_the_cursor_on(client: FlaskClient, services: MadeUpServices) -> None:
    services.logged["math_plugin"].append(log_line("three"))
    part = client.get(f"{PATH}?after=2&level=ERROR&q=no", headers=HTMX).text
    assert "log-text" not in part
    assert f'hx-get="{PATH}?after=3&amp;level=ERROR&amp;q=no"' in part


def test_a_flood_is_shown_by_its_end_and_that_is_said(client: FlaskClient, services: MadeUpServices) -> None:
    services.logged["math_plugin"] += [log_line(f"line {number}") for number in range(500)]
    part = client.get(f"{PATH}?after=2", headers=HTMX).text
    assert "What it wrote in between is left out." in part
    assert re.findall(r'log-text">(.*?)<', part) == [f"line {number}" for number in range(300, 500)]
    assert 'after=502"' in part


def test_what_is_not_kept_any_more_is_said(client: FlaskClient, services: MadeUpServices) -> None:
    services.gap = 2048
    services.logged["math_plugin"].append(log_line("three"))
    assert "2 KB before this went" in client.get(f"{PATH}?after=2", headers=HTMX).text


def test_the_form_keeps_what_was_asked_for(client: FlaskClient) -> None:
    page = client.get(f"{PATH}?level=warning&q=demo&version=1.0.0").text
    assert '<option value="WARNING" selected>' in page
    assert 'value="demo"' in page
    assert '<input type="hidden" name="version" value="1.0.0">' in page
    assert "Only version 1.0.0." in page
    assert '<p class="log-text">one</p>' not in page


def test_an_empty_log_and_one_of_which_nothing_fits_say_so(client: FlaskClient, services: MadeUpServices) -> None:
    assert "No line fits." in client.get(f"{PATH}?q=nothing").text
    services.logged.clear()
    assert "It has written nothing yet." in client.get(PATH).text


def test_a_page_of_a_plugin_that_goes_stops_asking(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed.clear()
    assert client.get(f"{PATH}?after=2", headers=HTMX).status_code == 286
    assert client.get(PATH).status_code == 404


def test_what_makes_no_sense_is_refused_on_a_page(client: FlaskClient) -> None:
    answer = client.get(f"{PATH}?level=loud")
    assert answer.status_code == 400
    assert "level must be one of" in answer.text


def test_the_log_of_a_plugin_that_is_gone_has_a_page_as_long_as_it_is_kept(
    client: FlaskClient, services: MadeUpServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = services.log("math_plugin", LogQuestion())
    services.installed.clear()
    monkeypatch.setattr(services, "log", lambda *_: page)
    answer = client.get(PATH)
    assert (answer.status_code, "It is not installed." in answer.text) == (200, True)
    assert '<p class="log-text">one</p>' in answer.text


def test_times_have_their_day_where_it_is_not_today() -> None:
    at = "2026-03-04T05:06:07.890+00:00"
    assert log_time(at, datetime(2026, 3, 4, 23, tzinfo=UTC)) == "05:06:07.890"
    assert log_time(at, datetime(2026, 3, 5, 1, tzinfo=UTC)) == "2026-03-04 05:06:07"
