"""Fixtures: the pages with made-up services, a client, and a browser that reports what must not happen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.web.pages.preview import MadeUpServices, create_preview, plugin, serving

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE_MS = 30_000
"""How long a page may take until it shows what is expected: a loaded machine is slow, and waiting costs nothing."""

OpenPage = Callable[..., Page]


@pytest.fixture
def services() -> MadeUpServices:
    """Services with one plugin."""
    return MadeUpServices([plugin()])


@pytest.fixture
def app(services: MadeUpServices, tmp_path: Path) -> Flask:
    return create_preview(services, tmp_path)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The pages, served; the address without a slash at its end."""
    with serving(app) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """Open a path in a fresh browser context; options are those of ``Browser.new_context``.

    At the end of the test no page may have logged an error, broken its own security policy, or asked another host.
    ``allowed`` are pieces of the error texts that the test provokes on purpose.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    foreign: list[str] = []

    def opened(path: str = "/plugins", *, allowed: tuple[str, ...] = (), **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]  # passed on as they are
        contexts.append(context)
        page = context.new_page()

        def complain(text: str) -> None:
            if not any(piece in text for piece in allowed):
                complaints.append(text)

        page.on("console", lambda line: complain(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(address) else foreign.append(asked.url))
        page.goto(address + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert foreign == []
