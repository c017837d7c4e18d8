"""The section of health without a browser: charts with the same in words and tables, paging, and what follows."""

import re

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from cadence.web.present import HealthView, LastCheck
from tests.web.pages.preview import MadeUpServices
from tests.web.pages.preview_usage import busy_hour, many_checks

PAGE = "/plugins/math_plugin/health"
STANDING = "/plugins/math_plugin/standing?tab=health"
HTMX = {"HX-Request": "true"}


def rows(page: str) -> int:
    return page.count('<tr role="row" data-kind=')


def test_checks_are_drawn_and_stand_in_a_table_with_the_same(client: FlaskClient, services: MadeUpServices) -> None:
    services.checks = many_checks(20)
    page = client.get(PAGE).text
    assert page.count('<circle class="mark-passed" cx=') == 19 + 1  # and the one that explains it
    assert page.count('<svg class="mark-failed"') == 1
    assert rows(page) == 20
    assert re.search(r"19 passed, <strong[^>]*>1 failed</strong>\. They took 2 ms to", page)
    assert "The database does not answer." in page


def test_calls_of_the_hour_are_drawn_and_told_in_words_and_minute_by_minute(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.recent = busy_hour()
    calls, errors = services.recent
    page = client.get(PAGE).text
    assert f"{sum(calls)} calls" in page
    assert f"{sum(errors)} errors" in page
    assert f"At most {max(calls)} in a minute." in page
    assert page.count('<rect class="bar-calls" x=') == sum(1 for called in calls if called)
    assert page.count('<rect class="bar-errors" x=') == sum(1 for failed in errors if failed)
    assert page.count('<th scope="row">') == sum(1 for called in calls if called)
    services.recent = busy_hour(errors=False)
    assert "no error" in client.get(PAGE).text


def test_a_plugin_without_checks_and_calls_says_what_to_do(client: FlaskClient) -> None:
    page = client.get(PAGE).text
    assert "It was not checked yet." in page
    assert "Nobody called it in the last hour" in page
    assert "<figure" not in page


def test_older_checks_are_a_page_further_with_an_address_of_its_own(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.checks = many_checks(130)
    first = client.get(PAGE).text
    assert rows(first) == 60
    older = re.search(r'id="checks-older" href="([^"]+)"', first)
    assert older
    assert older.group(1) == f"{PAGE}?before=71"
    second = client.get(older.group(1)).text
    assert rows(second) == 60
    assert "Older health checks" in second
    last = client.get(f"{PAGE}?before=11").text
    assert rows(last) == 10
    assert "checks-older" not in last
    assert f'id="checks-newest" href="{PAGE}"' in last
    assert "Nothing older is kept." in client.get(f"{PAGE}?before=1").text


def test_what_follows_stays_on_the_page_that_is_shown(client: FlaskClient, services: MadeUpServices) -> None:
    services.checks = many_checks(130)
    page = client.get(f"{PAGE}?before=71").text
    follows = re.search(r'id="standing"[^>]* hx-get="([^"]+)"', page)
    assert follows
    assert "before=71" in follows.group(1)
    fragment = client.get(follows.group(1).replace("&amp;", "&"), headers=HTMX)
    assert rows(fragment.text) == 60
    assert "Older health checks" in fragment.text


def test_it_is_sent_anew_when_something_was_called_or_checked_and_else_not(
    client: FlaskClient, services: MadeUpServices
) -> None:
    checked = HealthView("healthy", LastCheck(True, "", 2.4, "2026-01-01T00:00:00.000+00:00"))
    services.change("math_plugin", health=checked)
    services.checks, services.recent = many_checks(3), busy_hour()
    tag = client.get(STANDING, headers=HTMX).headers["ETag"]
    again = {**HTMX, "If-None-Match": tag}
    assert client.get(STANDING, headers=again).status_code == 304
    services.recent = busy_hour(errors=False)
    changed = client.get(STANDING, headers=again)
    assert changed.status_code == 200
    services.checks = many_checks(4)
    assert client.get(STANDING, headers={**HTMX, "If-None-Match": changed.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize("before", ["x", "-1", "1e3", "9" * 40, "<script>"])
def test_an_address_that_is_none_is_refused_in_words(client: FlaskClient, before: str) -> None:
    answer = client.get(PAGE, query_string={"before": before})
    assert answer.status_code == 400
    assert "before must be the number of a health check" in answer.text
    assert "<script>" not in answer.text


def test_restarts_are_told_and_lead_to_what_happened(client: FlaskClient, services: MadeUpServices) -> None:
    assert "None since this server started" in client.get(PAGE).text
    services.change("math_plugin", restarts=3)
    page = client.get(PAGE).text
    assert "started again 3 times since this server started" in page
    (address,) = re.findall(r'crashes" href="([^"]+)"', page)
    assert client.get(address.replace("&amp;", "&")).status_code == 200


@pytest.mark.parametrize("ms", [float("nan"), float("inf"), -5.0, 0.0, 1e300])
def test_a_plugin_that_tells_nonsense_of_its_checks_has_a_page(
    client: FlaskClient, services: MadeUpServices, ms: float
) -> None:
    services.checks = [structs.replace(one, ms=ms) for one in many_checks(3)]
    assert client.get(PAGE).status_code == 200
