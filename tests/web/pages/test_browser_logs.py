"""A log in a browser: it follows, stays where it is read, is filtered while one types, and fits a narrow screen."""

from playwright.sync_api import Page, expect

from cadence.runtime.log_lines import Level, Stream
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices
from tests.web.pages.preview_logs import log_line

AT_THE_END = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 24"


def write(services: MadeUpServices, *texts: str, level: Level = Level.INFO) -> None:
    services.logged.setdefault("math_plugin", []).extend(log_line(text, level) for text in texts)


def is_at_the_end(page: Page) -> bool:
    return bool(page.locator("#log-lines").evaluate(AT_THE_END))


def test_a_log_is_followed_until_the_reader_scrolls_up(services: MadeUpServices, open_page: OpenPage) -> None:
    write(services, *(f"line {number}" for number in range(150)))
    page = open_page("/plugins/math_plugin/logs")
    log = page.locator("#log-lines")
    expect(log.get_by_text("line 149", exact=True)).to_be_visible()
    assert is_at_the_end(page)
    write(services, "<b>new</b>")
    expect(log.get_by_text("<b>new</b>")).to_be_visible()
    assert is_at_the_end(page)
    log.evaluate("log => { log.scrollTop = 100; }")
    write(services, "newer")
    expect(log.get_by_text("newer")).to_be_attached()
    assert log.evaluate("log => log.scrollTop") == 100
    expect(log).to_have_attribute("aria-live", "off")


def test_a_log_is_filtered_by_level_and_while_one_types(services: MadeUpServices, open_page: OpenPage) -> None:
    write(services, "alpha", "beta")
    write(services, "ERROR gamma", level=Level.ERROR)
    page = open_page("/plugins/math_plugin/logs")
    log = page.locator("#log-lines")
    expect(log.locator(".log-text")).to_have_text(["alpha", "beta", "ERROR gamma"])
    page.get_by_label("Level").select_option("ERROR")
    expect(log.locator(".log-text")).to_have_text(["ERROR gamma"])
    page.get_by_label("Level").select_option("")
    page.get_by_label("Search").press_sequentially("ALP")
    expect(log.locator(".log-text")).to_have_text(["alpha"])
    expect(page.get_by_label("Search")).to_be_focused()
    write(services, "alphabet", "other")
    expect(log.locator(".log-text")).to_have_text(["alpha", "alphabet"])


def test_a_log_that_is_followed_for_long_does_not_grow_without_end(
    services: MadeUpServices, open_page: OpenPage
) -> None:
    write(services, "first")
    page = open_page("/plugins/math_plugin/logs")
    for number in range(1, 14):
        write(services, *(f"line {number}.{count}" for count in range(190)))
        expect(page.locator("#log-lines").get_by_text(f"line {number}.189", exact=True)).to_be_attached()
    assert page.locator("#log-lines > *").count() <= 2000
    expect(page.get_by_text("first", exact=True)).not_to_be_attached()


def test_without_scripts_a_log_is_read_page_by_page(services: MadeUpServices, open_page: OpenPage) -> None:
    write(services, "one")
    page = open_page("/plugins/math_plugin", java_script_enabled=False)
    page.get_by_role("link", name="Log", exact=True).click()
    write(services, "two")
    page.get_by_role("link", name="Next lines").click()
    expect(page.locator(".log-text")).to_have_text(["two"])
    page.get_by_label("Search").fill("one")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".log-text")).to_have_text(["one"])


def test_a_log_fits_a_narrow_screen(services: MadeUpServices, open_page: OpenPage) -> None:
    services.logged["math_plugin"] = [log_line("x" * 3000, Level.CRITICAL, Stream.CADENCE, "2020-01-01T00:00:00+00:00")]
    page = open_page("/plugins/math_plugin/logs", viewport={"width": 320, "height": 700})
    expect(page.locator("#log-lines .log-text")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.locator("#log-lines").evaluate("log => log.scrollWidth <= log.clientWidth")
