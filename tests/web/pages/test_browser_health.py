"""The charts of health in a browser: on every width, in light and dark, and the same for those who listen."""

import pytest
from playwright.sync_api import expect

from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices
from tests.web.pages.preview_usage import busy_hour, many_checks
from tests.web.pages.test_browser_frame import CONTRAST, Scheme

PAGE = "/plugins/math_plugin/health"
#: Marks and bars that are not inside the picture they belong to.
OUTSIDE = """() => [...document.querySelectorAll(".chart circle, .mark-failed path, .chart rect[x]")].filter((one) => {
  const box = one.getBoundingClientRect();
  const chart = one.closest(".chart").getBoundingClientRect();
  const beside = box.left < chart.left - 1 || box.right > chart.right + 1;
  return beside || box.top < chart.top - 1 || box.bottom > chart.bottom;
}).length"""


@pytest.fixture(autouse=True)
def busy(services: MadeUpServices) -> None:
    services.checks, services.recent = many_checks(130), busy_hour()


@pytest.mark.parametrize("width", [320, 768, 1280, 3840])
def test_charts_fit_their_window(open_page: OpenPage, width: int) -> None:
    page = open_page(PAGE, viewport={"width": width, "height": 800})
    expect(page.locator(".chart-checks")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OUTSIDE) == 0
    # Marks are as large on a phone as on a wide screen.
    box = page.locator(".chart .mark-passed").first.bounding_box()
    assert box is not None
    assert box["width"] == pytest.approx(6, abs=0.5)
    assert box["height"] == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(open_page: OpenPage, scheme: Scheme) -> None:
    page = open_page(PAGE, color_scheme=scheme, reduced_motion="reduce")
    page.get_by_text("Minute by minute").click()
    assert page.evaluate(CONTRAST) == []


def test_whoever_listens_has_sentences_and_tables_and_no_picture(open_page: OpenPage) -> None:
    page = open_page(PAGE)
    expect(page.get_by_role("img")).to_have_count(0)
    checks = page.get_by_role("table", name="Health checks")
    expect(checks.get_by_role("row")).to_have_count(61)
    page.get_by_text("Minute by minute").click()
    expect(page.get_by_role("table", name="Calls minute by minute")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_older_checks_can_be_gone_to_and_back(open_page: OpenPage, scripts: bool) -> None:
    page = open_page(PAGE, java_script_enabled=scripts)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("heading", name="Older health checks")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Health checks", exact=True)).to_be_visible()


def test_what_was_opened_stays_open_while_calls_come_in(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(PAGE)
    page.get_by_text("Minute by minute").click()
    services.recent = busy_hour(errors=False)
    expect(page.get_by_text("no error")).to_be_visible()
    expect(page.get_by_role("table", name="Calls minute by minute")).to_be_visible()
