"""What plugins say is text on every page, whatever it tries to be."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.web.pages.hostile import hostile_services
from tests.web.pages.preview import create_preview, serving
from tests.web.pages.states import STATES, State

_RUNS = ("onerror", "onload", "onmouseover", "onclick", "hx-on:click", "data-hostile", "style", "srcdoc")
#: Every page, in every state that is no error.
_STATES = [state for state in STATES if not state.errors]
#: Pages whose every word is somebody else's.
_TALKATIVE = (
    "/plugins",
    "/plugins/math_plugin",
    "/plugins/math_plugin/tools",
    "/plugins/math_plugin/health",
    "/plugins/math_plugin/logs",
    "/plugins/math_plugin/history",
    "/history",
    "/plugins/math_plugin/versions",
    "/plugins/math_plugin/packages",
    "/plugins/math_plugin/permissions",
    "/installs",
    "/installs/b",
    "/chat/t1",
)


def _runs(address: str) -> bool:
    """Whether a link runs something (URL Standard, section 4.4: what is no scheme's letter is passed over)."""
    return "".join(address.split()).lower().startswith(("javascript:", "data:", "vbscript:"))


class _Found(HTMLParser):
    """What of a page a hostile text became: elements and attributes that no page of ours has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.texts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.bad += [f"<{tag} {name}>" for name, _ in attrs if name in _RUNS]
        self.bad += [f"<{tag} {value}>" for name, value in attrs if name == "href" and _runs(value or "")]
        self.bad += [f"<{tag}>" for _ in [0] if tag in ("iframe", "object", "embed")]

    def handle_data(self, data: str) -> None:
        self.texts += data.count("hostile-")


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return create_preview(hostile_services(), tmp_path)


@pytest.mark.parametrize("state", _STATES, ids=lambda state: state.name)
def test_no_page_has_an_element_or_an_attribute_of_a_text(state: State, tmp_path: Path) -> None:
    services = hostile_services()
    state.prepare(services)
    answer = create_preview(services, tmp_path).test_client().get(state.path)
    assert answer.status_code == 200, "what is shown must not break the page either"
    assert _Found(answer.text).bad == []


@pytest.mark.parametrize("path", _TALKATIVE)
def test_the_texts_are_there_to_be_read(app: Flask, path: str) -> None:
    found = _Found(app.test_client().get(path).text)
    assert found.texts >= 1
    assert str(7919 * 7907) not in app.test_client().get(path).text, "a template in a text is text"


def test_a_page_that_would_not_escape_is_noticed(app: Flask) -> None:
    """The proof that these tests can fail."""
    app.jinja_env.autoescape = False
    assert _Found(app.test_client().get("/plugins").text).bad != []


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(create_preview(hostile_services(), tmp_path_factory.mktemp("hostile"))) as url:
        yield url


class _Watch:
    """What happens on a page that should not."""

    def __init__(self, page: Page) -> None:
        self.happened: list[str] = []
        page.on("dialog", self._dialog)
        page.on("request", lambda asked: self.happened.append(asked.url) if "owned" in asked.url else None)
        page.on("pageerror", lambda error: self.happened.append(str(error)))

    def _dialog(self, dialog: Dialog) -> None:
        self.happened.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def of(self, page: Page) -> list[str]:
        page.wait_for_function("typeof htmx !== 'undefined'")
        hostile = page.locator("[data-hostile], [onerror], [onload]").count()
        title = page.title()
        return [*self.happened, *(["an element"] if hostile else []), *(["title"] if title == "owned" else [])]


@pytest.mark.parametrize("path", _TALKATIVE)
def test_in_a_browser_nothing_of_it_happens(browser: Browser, address: str, path: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        watch = _Watch(page)
        page.goto(address + path)
        assert watch.of(page) == []


def test_what_is_swapped_in_is_text_too(browser: Browser, address: str) -> None:
    state = next(state for state in STATES if state.name == "plugins-dialog")
    with browser.new_context() as context:
        page = context.new_page()
        watch = _Watch(page)
        page.goto(address + state.path)
        state.act(page)
        page.keyboard.press("Escape")
        with page.expect_response("**/plugins/list"):
            page.evaluate("htmx.trigger(document.body, 'plugins-changed')")
        with page.expect_response("**/plugins/list?q=hostile**"):
            page.get_by_role("searchbox").fill("hostile")
        page.goto(f"{address}/plugins/math_plugin/tools")
        page.locator("#tool-field-1").fill("<img data-hostile src=/owned>")
        page.locator("#tool-field-2").select_option(index=1)
        page.get_by_role("button", name=re.compile("^Call ")).click()
        expect(page.locator("#tool-result")).to_contain_text("hostile-")
        page.locator("#tool-result").hover()
        assert watch.of(page) == []


def test_a_browser_that_is_given_such_a_page_unescaped_shows_that_the_texts_would_do_it(
    browser: Browser, tmp_path: Path
) -> None:
    """Without escaping and without the policy that forbids inline scripts the attack works."""
    app = create_preview(hostile_services(), tmp_path)
    app.jinja_env.autoescape = False

    def permit(response: object) -> object:
        headers = getattr(response, "headers", {})
        headers["Content-Security-Policy"] = "default-src * 'unsafe-inline' 'unsafe-eval'"
        return response

    app.after_request(permit)
    with serving(app) as url, browser.new_context() as context:
        page = context.new_page()
        watch = _Watch(page)
        page.goto(f"{url}/plugins")
        page.wait_for_function("document.title === 'owned' || document.querySelector('[data-hostile]')")
        assert watch.of(page) != []
