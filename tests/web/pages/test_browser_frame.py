"""The page as a whole: without scripts, on every width, for keyboard and screen reader."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices, plugin, scene, version

CONTRAST = """() => {
  const numbers = (color) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => rgb.slice(0, 3).map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest(".unseen, .skip")) continue;
    const [high, low] = [luminance(numbers(getComputedStyle(element).color)), luminance(ground(element))]
      .sort((one, other) => other - one);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) faint.push(`${walker.currentNode.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""

Scheme = Literal["light", "dark"]


@pytest.fixture
def crowd(services: MadeUpServices) -> None:
    """Every kind of plugin and install, and names as long as names get."""
    crowded = scene("installs")
    long_name = "a_plugin_with_a_name_that_goes_on_and_on_and_on_and_on_and_on_until_it_ends"
    services.installed[:] = [*crowded.installed, plugin(long_name, versions=(version("1.0.0", name=long_name),))]
    services.shown, services.reloaded = crowded.shown, crowded.reloaded


def plain(open_page: OpenPage, path: str = "/plugins") -> Page:
    return open_page(path, java_script_enabled=False)


def test_without_scripts_an_upload_ends_on_the_page_of_its_result(open_page: OpenPage) -> None:
    page = plain(open_page)
    page.get_by_label("Choose plugin archives").set_input_files(
        {"name": "broken-1.0.0.zip", "mimeType": "application/zip", "buffer": b"x"}
    )
    page.get_by_role("button", name="Upload Plugin").click()
    expect(page).to_have_url(re.compile("/installs/0001$"))
    expect(page.get_by_text("MathAgent does not derive from BaseAgent.")).to_be_visible(timeout=30_000)


def test_without_scripts_a_plugin_is_deleted_through_a_page_that_asks(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = plain(open_page)
    page.get_by_role("link", name="Delete math_plugin 1.0.0").click()
    expect(page.get_by_role("heading", name="Delete math_plugin 1.0.0?")).to_be_visible()
    page.get_by_role("button", name="Delete math_plugin 1.0.0").click()
    expect(page.get_by_text("math_plugin 1.0.0 was deleted.")).to_be_visible()
    assert services.installed == []


def test_without_scripts_keep_it_leads_back(open_page: OpenPage, services: MadeUpServices) -> None:
    page = plain(open_page, "/plugins/math_plugin/1.0.0/delete")
    page.get_by_role("link", name="Keep it").click()
    expect(page).to_have_url(re.compile("/plugins$"))
    assert len(services.installed) == 1


def test_without_scripts_a_reload_shows_its_result(open_page: OpenPage) -> None:
    page = plain(open_page)
    page.get_by_role("button", name="Reload plugins").click()
    expect(page.get_by_text("Reloaded 0 plugins:")).to_be_visible()


def test_without_scripts_nothing_is_offered_that_needs_them(open_page: OpenPage) -> None:
    page = plain(open_page)
    expect(page.get_by_text("Drop plugin archives here")).to_be_hidden()
    assert page.locator("#file").evaluate("input => getComputedStyle(input).opacity") == "1"
    page.get_by_role("button", name="Reload plugins").click()
    expect(page.get_by_role("button", name="Dismiss")).to_have_count(0)


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("width", [320, 375, 768, 1280, 1920, 3840])
def test_nothing_makes_the_page_wider_than_the_window(open_page: OpenPage, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    page.get_by_role("button", name="Reload plugins").click()
    expect(page.locator(".reloaded")).to_be_visible()
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_role("link", name=re.compile("^Delete a_plugin")).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    box = page.get_by_role("dialog").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_the_guide_of_an_empty_server_fits_a_small_phone(open_page: OpenPage, services: MadeUpServices) -> None:
    services.installed.clear()
    page = open_page(viewport={"width": 320, "height": 640})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_has_the_contrast_to_be_read(open_page: OpenPage, scheme: Scheme) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("button", name="Reload plugins").click()
    expect(page.locator(".reloaded")).to_be_visible()
    page.mouse.move(0, 0)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate(CONTRAST) == []
    page.get_by_role("link", name=re.compile("Delete math_plugin")).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate(CONTRAST) == []


def test_the_first_tab_leads_past_the_sidebar(open_page: OpenPage) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_the_focus_is_always_to_be_seen(open_page: OpenPage) -> None:
    page = open_page()
    seen = 0
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate("""() => {
          const at = document.activeElement;
          if (at === document.body) return null;
          const shown = at.id === "file" ? at.closest(".drop") : at;
          const style = getComputedStyle(shown);
          return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
        }""")
        if found is None:
            break
        assert found, page.evaluate("document.activeElement.outerHTML")
        seen += 1
    assert seen > 8


def test_the_page_has_its_landmarks_headings_and_live_regions(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("navigation", name="Areas")).to_be_visible()
    expect(page.get_by_role("link", name="Plugin Management")).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("heading", level=1)).to_have_text("Plugin Management")
    expect(page.get_by_role("region", name="Installed plugins")).to_be_visible()
    assert page.locator("#announcer").get_attribute("role") == "status"
    assert page.locator("#notices").get_attribute("aria-live") == "polite"
    duplicates = page.evaluate("""() => {
      const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
      return ids.filter((id, index) => ids.indexOf(id) !== index);
    }""")
    assert duplicates == []


@pytest.mark.usefixtures("crowd")
def test_nothing_to_touch_is_smaller_than_24_pixels(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 375, "height": 800}, has_touch=True, is_mobile=True)
    small = page.evaluate("""() => [...document.querySelectorAll("button, a.button, summary, .areas a, input")]
      .filter((one) => one.checkVisibility() && one.type !== "checkbox" && one.type !== "hidden")
      .filter((one) => one.getBoundingClientRect().height < 24 || one.getBoundingClientRect().width < 24)
      .map((one) => one.outerHTML)""")
    assert small == []


def test_a_wrong_address_leads_back(open_page: OpenPage) -> None:
    page = open_page("/nowhere", allowed=("404",))
    page.get_by_role("link", name="Back to Plugin Management").click()
    expect(page).to_have_url(re.compile("/plugins$"))


def test_the_sample_that_is_offered_can_be_uploaded_as_it_is(open_page: OpenPage, services: MadeUpServices) -> None:
    services.installed.clear()
    page = open_page()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download this example").click()
    assert download.value.suggested_filename == "greeter-1.0.0.zip"
    page.locator("#file").set_input_files(
        {"name": "greeter-1.0.0.zip", "mimeType": "application/zip", "buffer": download.value.path().read_bytes()}
    )
    page.get_by_role("button", name="Upload Plugin").click()
    expect(page.locator("#row-greeter")).to_be_visible()


def test_on_a_phone_the_section_that_is_shown_is_in_sight(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page("/plugins/math_plugin/history", viewport={"width": 320, "height": 640})
    current = page.get_by_role("navigation", name="Sections of math_plugin").get_by_role("link", name="History")
    expect(current).to_be_in_viewport(ratio=1)
    services.change("math_plugin", pinned=True)
    page.evaluate("htmx.trigger(document.body, 'plugins-changed')")
    expect(page.get_by_text("Pinned")).to_be_visible()
    expect(current).to_be_in_viewport(ratio=1)
