"""Versions in a browser: by keyboard, without scripts, on every width, and while things change under the page."""

import re

import pytest
from playwright.sync_api import Page, expect

from cadence.history import ActivationCause
from cadence.model import ExampleResult, PluginRef, ToolSpec
from cadence.web.present import STATUS_LABELS
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices, plugin, version
from tests.web.pages.preview_versions import activated, check
from tests.web.pages.test_browser_frame import CONTRAST, Scheme

PAGE = "/plugins/math_plugin"
LONG = "words-that-go-on-and-on-without-a-space-" * 6


@pytest.fixture
def services() -> MadeUpServices:
    """Everything there is to show, with words as long as they get."""
    versions = (
        version("2.0.0", active=False, quarantine=f"It crashed 3 times: {LONG}"),
        version("1.1.0", source="directory"),
        version("1.0.0", active=False),
        version("0.9.0", active=False),
    )
    tools = (ToolSpec("add", "Add two numbers.", {}, examples=1),)
    view = plugin(version="1.1.0", versions=versions, rollback_version="1.0.0", is_new=True, tools=tools)
    services = MadeUpServices([view])
    services.installed += [plugin(f"p_{status}", status) for status in STATUS_LABELS]
    services.delete(PluginRef("math_plugin", "0.9.0"))
    services.checks = [check("1.1.0", checks={"database": True}), check("2.0.0", healthy=False, words=LONG, ms=1840.0)]
    services.happenings = [activated("1.1.0", "2.0.0", ActivationCause.AUTOMATIC_ROLLBACK, LONG)]
    services.examples = [ExampleResult("add", {"a": LONG}, False, LONG, 1.2)]
    return services


def press(page: Page, name: str) -> None:
    """Press a button by keyboard."""
    page.get_by_role("button", name=name, exact=True).press("Enter")


def test_an_activation_takes_the_focus_to_its_words_and_leaves_the_page_as_it_is(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE)
    page.evaluate("window.here = true")
    page.get_by_label("Network").fill("api.example.com:443")
    press(page, "Activate math_plugin 1.0.0")
    saved = page.locator("#versions .saved")
    expect(saved).to_have_text("1.0.0 answers now")
    expect(saved).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("math_plugin 1.0.0")
    expect(page.get_by_role("button", name="Roll back to 1.1.0")).to_be_visible()
    expect(page.get_by_label("Network")).to_have_value("api.example.com:443")
    assert page.evaluate("window.here")


def test_the_second_of_two_operators_is_told_and_sees_how_it_stands_now(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE, allowed=("409",))
    page.route("**/standing", lambda route: route.abort())
    services.switch("math_plugin", "1.0.0")
    press(page, "Roll back to 1.0.0")
    alert = page.get_by_role("alert").filter(has_text="changed since this page was made: 1.0.0 is active now")
    expect(alert).to_be_focused()
    expect(page.get_by_role("button", name="Roll back to 1.1.0")).to_be_visible()
    assert services.done == []


def test_a_change_made_elsewhere_is_shown_said_aloud_and_keeps_the_focus(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE)
    button = page.get_by_role("button", name="Check now")
    button.focus()
    page.locator("#plugin-math_plugin-1\\.0\\.0 summary").click()
    button.focus()
    services.change("math_plugin", status="failed", status_words="Its worker was killed.")
    expect(page.get_by_text("Its worker was killed.")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("math_plugin 1.1.0: Failed")
    expect(button).to_be_focused()
    expect(page.locator("#plugin-math_plugin-1\\.0\\.0")).to_have_attribute("open", "")


def test_what_is_scrolled_stays_where_it_is_while_it_grows(open_page: OpenPage, services: MadeUpServices) -> None:
    services.happenings *= 60
    page = open_page(PAGE)
    history = page.locator(".history")
    history.evaluate("history => history.scrollTop = 120")
    services.happenings.append(activated("0.1.0", None, ActivationCause.INSTALL))
    expect(history).to_contain_text("0.1.0 was installed")
    assert history.evaluate("history => history.scrollTop") == 120


def test_a_button_that_is_gone_by_itself_leaves_the_focus_on_the_page(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE)
    page.get_by_role("button", name="Roll back to 1.0.0").focus()
    services.change("math_plugin", rollback_version=None)
    expect(page.get_by_role("button", name=re.compile("Roll back"))).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_without_scripts_a_decision_is_made_and_an_example_is_run(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE, java_script_enabled=False)
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_text("math_plugin is disabled")).to_be_visible()
    page.get_by_role("button", name="Enable").click()
    page.get_by_role("button", name="Test its tools").click()
    expect(page.locator("#health .saved")).to_be_focused()
    expect(page.get_by_role("list", name="Examples of the tools of math_plugin 1.1.0")).to_contain_text(LONG)
    assert services.done == ["disable", "enable", "self-test"]


@pytest.mark.parametrize("width", [320, 375, 768, 1280, 3840])
@pytest.mark.parametrize("path", ["/plugins", PAGE])
def test_nothing_makes_the_pages_wider_than_the_window(open_page: OpenPage, width: int, path: str) -> None:
    page = open_page(path, viewport={"width": width, "height": 800})
    if path == PAGE:
        press(page, "Test its tools")
        expect(page.locator(".examples")).to_be_visible()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/plugins", PAGE])
def test_every_word_of_the_pages_can_be_read(
    open_page: OpenPage, services: MadeUpServices, scheme: Scheme, path: str
) -> None:
    services.safe_mode = True
    page = open_page(path, color_scheme=scheme, reduced_motion="reduce")
    page.mouse.move(0, 0)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate(CONTRAST) == []
    duplicates = page.evaluate("""() => {
      const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
      return ids.filter((id, index) => ids.indexOf(id) !== index);
    }""")
    assert duplicates == []
