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

PAGE = "/plugins/math_plugin/versions"
HEALTH = "/plugins/math_plugin/health"
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
    press(page, "Activate math_plugin 1.0.0")
    saved = page.locator("#versions .saved")
    expect(saved).to_have_text("1.0.0 answers now")
    expect(saved).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("math_plugin 1.0.0")
    expect(page.get_by_role("button", name="Roll back to 1.1.0")).to_be_visible()
    assert page.evaluate("window.here")


def test_the_second_of_two_operators_is_told_and_sees_how_it_stands_now(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE, allowed=("409",))
    page.route("**/standing?*", lambda route: route.abort())
    services.switch("math_plugin", "1.0.0")
    press(page, "Roll back to 1.0.0")
    alert = page.get_by_role("alert").filter(has_text="math_plugin changed since you looked: 1.0.0 is active now")
    expect(alert).to_be_focused()
    expect(page.get_by_role("button", name="Roll back to 1.1.0")).to_be_visible()
    assert services.done == []


def test_a_change_made_elsewhere_is_shown_said_aloud_and_keeps_the_focus(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE)
    button = page.get_by_role("button", name="Disable", exact=True)
    page.locator("#plugin-math_plugin-1\\.0\\.0 summary").click()
    button.focus()
    services.change("math_plugin", status="failed", status_words="Its worker was killed.")
    expect(page.get_by_text("Its worker was killed.")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("math_plugin 1.1.0: Failed")
    expect(button).to_be_focused()
    expect(page.locator("#plugin-math_plugin-1\\.0\\.0")).to_have_attribute("open", "")


def test_a_button_that_is_gone_by_itself_leaves_the_focus_on_the_page(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE)
    page.get_by_role("button", name="Roll back to 1.0.0").focus()
    services.change("math_plugin", rollback_version=None)
    expect(page.get_by_role("button", name=re.compile("Roll back"))).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_the_second_of_two_who_delete_is_asked_again_with_what_is_true_now(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE, allowed=("409",))
    page.get_by_role("link", name="Delete math_plugin 1.1.0").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("1.0.0 takes its place.")).to_be_visible()
    services.delete(PluginRef("math_plugin", "1.0.0"))
    dialog.get_by_role("button", name="Delete math_plugin 1.1.0").press("Enter")
    expect(dialog.get_by_role("alert")).to_be_focused()
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing was deleted.")
    expect(dialog.get_by_text("Nothing takes its place.")).to_be_visible()
    assert len(services.plugin("math_plugin").versions) == 2
    dialog.get_by_role("button", name="Delete math_plugin 1.1.0").press("Enter")
    expect(page.get_by_text("math_plugin 1.1.0 was deleted.")).to_be_visible()
    expect(dialog).to_be_hidden()


def test_without_scripts_the_second_is_told_and_a_decision_is_made(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE, java_script_enabled=False, allowed=("409",))
    services.change("math_plugin", pinned=True)
    page.get_by_role("button", name="Roll back to 1.0.0").click()
    expect(page.get_by_role("alert")).to_contain_text("it is pinned now")
    page.get_by_role("button", name="Roll back to 1.0.0").click()
    expect(page.get_by_text("1.0.0 answers now")).to_be_visible()
    assert services.done == ["roll back to 1.0.0"]


def test_without_scripts_a_decision_is_made_and_an_example_is_run(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(PAGE, java_script_enabled=False)
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_text("math_plugin is disabled")).to_be_visible()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("math_plugin is enabled")).to_be_visible()
    page.get_by_role("link", name="Health", exact=True).click()
    page.get_by_role("button", name="Test its tools").click()
    expect(page.locator("#health .saved")).to_be_focused()
    expect(page.get_by_role("list", name="Examples of the tools of math_plugin 1.1.0")).to_contain_text(LONG)
    assert services.done == ["disable", "enable", "self-test"]


@pytest.mark.parametrize("width", [320, 375, 768, 1280, 3840])
@pytest.mark.parametrize("path", [HEALTH, PAGE])
def test_nothing_makes_the_pages_wider_than_the_window(open_page: OpenPage, width: int, path: str) -> None:
    page = open_page(path, viewport={"width": width, "height": 800})
    if path == HEALTH:
        press(page, "Test its tools")
        expect(page.locator(".examples")).to_be_visible()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [HEALTH, PAGE])
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
