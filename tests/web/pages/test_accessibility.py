"""Every page, in every state, is accessible: by axe-core, by keyboard, on every width, in light and dark.

The rules are those of WCAG 2.2 AA and the best practices of axe-core (github.com/dequelabs/axe-core). Its script is
evaluated, since the pages' own policy lets no script in that is not theirs.
"""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]  # it has no types
from flask import Flask
from playwright.sync_api import Page

from tests.web.pages.comparing import ComparingServices
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices, create_preview
from tests.web.pages.states import ELSEWHERE, STATES, State, furnished

LAYOUT = ["color-contrast", "target-size", "scrollable-region-focusable"]
"""The rules whose outcome depends on the width, where a page is the same as another but for what it says."""

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 320, "height": 700}
WIDE = {"width": 3840, "height": 2160}

SETTLED = """() => !document.querySelector(".htmx-request, [hx-trigger='load']")
    && document.getAnimations().every((one) => one.playState !== "running")"""
"""Whether what a page asks for at once has come. (Where motion is reduced nothing moves, so none of it is awaited.)"""

OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"

AXE = """(only) => axe.run(document, { runOnly: only, resultTypes: ["violations"], preload: false }).then(
    (found) => found.violations.flatMap((rule) => rule.nodes.map((node) =>
      `${rule.id}: ${node.target.join(" ")}: ${node.html.slice(0, 160)}: ${node.failureSummary.slice(0, 300)}`)))"""

WIDER = """(width) => {
  const { scrollWidth } = document.documentElement;
  if (scrollWidth <= width) return [];
  const out = (one) => one.getBoundingClientRect().right > width + 1 && !one.closest("[tabindex='0'], .tabs, pre");
  const names = [...document.querySelectorAll("main *")].filter(out).map((one) => `${one.tagName}.${one.className}`);
  return [`the page is ${scrollWidth} wide in a window of ${width}: ${names.slice(0, 4).join(", ")}`];
}"""

CONTROLS = """() => {
  const root = document.querySelector("dialog[open]") ?? document;
  const shown = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("[inert]");
  const radios = new Set();
  let count = 0;
  for (const one of root.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")) {
    if (one.disabled || one.type === "hidden" || !shown(one) || one.tabIndex < 0) continue;
    if (one.type === "radio") {
      // A group is one stop: the chosen one, or else the first.
      const chosen = root.querySelector(`input[name="${CSS.escape(one.name)}"]:checked`) ?? one;
      if (radios.has(one.name) || chosen !== one) continue;
      radios.add(one.name);
    }
    one.dataset.control = count++;
  }
  return count;
}"""
"""Marks each control that the keyboard has to reach with its number, and gives how many there are."""

FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect();
  const outlined = (element) => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  };
  // A field of a drop zone, or one that is drawn by its label, shows its focus on what is around it.
  let seen = outlined(one);
  for (let at = one.parentElement, up = 0; at && up < 3 && !seen; at = at.parentElement, up += 1) seen = outlined(at);
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const name = (one.getAttribute("aria-label") ?? one.textContent ?? "").trim().slice(0, 40);
  return { control: one.dataset.control ?? null, seen, inside, words: `${one.tagName}#${one.id} ${name}` };
}"""


@pytest.fixture
def services() -> ComparingServices:
    return furnished()


def shown(state: State, services: MadeUpServices, open_page: OpenPage) -> Page:
    """A page in its state, at desktop width and in light, with everything opened that can be."""
    assert isinstance(services, ComparingServices)
    state.prepare(services)
    page = open_page(state.path, allowed=state.errors, viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
    state.act(page)
    page.evaluate(OPEN_ALL)
    page.wait_for_function(SETTLED)
    return page


def violations(page: Page, only: list[str], type_: str = "tag") -> list[str]:
    """What axe-core finds, a line for each element and rule."""
    found: list[str] = page.evaluate(AXE, {"type": type_, "values": only})
    return found


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_no_page_breaks_a_rule_of_accessibility(state: State, services: MadeUpServices, open_page: OpenPage) -> None:
    page = shown(state, services, open_page)
    page.evaluate(AXE_SCRIPT)
    found: dict[str, Any] = {"desktop, light": violations(page, TAGS)}
    page.emulate_media(color_scheme="dark")
    found["desktop, dark"] = violations(page, ["color-contrast"], "rule")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a dict of these two numbers
    found["phone, dark"] = violations(page, TAGS) if state.walk else violations(page, LAYOUT, "rule")
    found["phone"] = page.evaluate(WIDER, PHONE["width"])
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    found["4K"] = page.evaluate(WIDER, WIDE["width"])
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize("state", [one for one in STATES if one.walk], ids=lambda state: state.name)
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(
    state: State, services: MadeUpServices, open_page: OpenPage
) -> None:
    page = shown(state, services, open_page)
    count = page.evaluate(CONTROLS)
    reached, unseen, outside = set(), set(), set()
    for _ in range(2 * count + 8):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None:
            continue
        reached.add(at["control"])
        if not at["seen"]:
            unseen.add(at["words"])
        if not at["inside"]:
            outside.add(at["words"])
        if len(reached - {None}) == count:
            break
    missed = {str(number) for number in range(count)} - reached
    words = "(numbers) => numbers.map((n) => document.querySelector(`[data-control='${n}']`)?.outerHTML.slice(0, 160))"
    assert page.evaluate(words, sorted(missed)) == []
    assert unseen == set()
    assert outside == set()


def test_every_page_is_in_the_list(tmp_path: Path) -> None:
    app: Flask = create_preview(furnished(), tmp_path)
    routes = {
        rule.endpoint.removeprefix("pages.")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("pages.") and "GET" in (rule.methods or ())
    }
    listed = {state.endpoint for state in STATES} | ELSEWHERE.keys()
    assert routes - listed == set(), "tests/web/pages/states.py has no state of these"
    assert listed - routes == set(), "tests/web/pages/states.py has states of pages that are gone"


def test_states_have_names_of_their_own() -> None:
    names = [state.name for state in STATES]
    assert len(set(names)) == len(names)


def test_the_checks_find_what_is_wrong(open_page: OpenPage) -> None:
    """The others rely on it."""
    page = open_page("/system", viewport=PHONE, reduced_motion="reduce")
    page.wait_for_function(SETTLED)
    page.evaluate("""() => {
      const wrong = document.createElement("div");
      wrong.innerHTML = '<img src="/static/favicon.svg"><button id="bare"></button><p class="hint" id="pale">pale</p>';
      document.querySelector("main").append(wrong);
      document.getElementById("pale").style.color = "#ccc";
      wrong.style.width = "900px";
      document.getElementById("bare").style.outline = "none";
    }""")
    page.evaluate(AXE_SCRIPT)
    rules = {line.partition(":")[0] for line in violations(page, TAGS)}
    assert {"image-alt", "button-name", "color-contrast"} <= rules
    assert page.evaluate(WIDER, PHONE["width"]) != []
    page.locator("#bare").focus()
    assert not page.evaluate(FOCUSED)["seen"]
