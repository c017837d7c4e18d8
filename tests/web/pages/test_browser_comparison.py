"""From a check to the changes to the install, and from version to version, in a browser with the whole house behind."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import FilePayload, expect

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from tests.building import archive_bytes, plugin_files
from tests.conftest import parts_of
from tests.web.pages.conftest import OpenPage
from tests.web.pages.test_browser_upload import choose, send

CHANGED = """
    from cadence_sdk import tool

    @tool
    def add(a: int, b: int, c: int) -> int:
        "Add three numbers."
        return a + b + c

    TOOLS = [add]
"""


@pytest.fixture
def app(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(settings, zygote)
    yield app
    parts_of(app).close()


def archive(number: str, **different: str) -> FilePayload:
    buffer = archive_bytes(plugin_files(version=number, **different))  # type: ignore[arg-type]  # only texts are given
    return {"name": f"demo_plugin-{number}.zip", "mimeType": "application/zip", "buffer": buffer}


def test_a_check_shows_the_changes_and_exactly_that_is_installed(open_page: OpenPage, app: Flask) -> None:
    page = open_page()
    choose(page, archive("1.0.0"))
    send(page)
    expect(page.locator("#installs")).to_contain_text("demo_plugin 1.0.0 is installed and answers now.")
    choose(page, archive("2.0.0", tools=CHANGED))
    page.get_by_role("button", name="Check only").click()
    row = page.get_by_role("article", name="Check of demo_plugin-2.0.0.zip")
    expect(row.get_by_role("group", name="May break who calls its tools")).to_contain_text(
        "Tool add: argument c is new and required."
    )
    expect(row).to_contain_text("tools.py")
    row.get_by_role("button", name="Install this file, demo_plugin-2.0.0.zip").click()
    expect(page.locator("#installs")).to_contain_text("demo_plugin 2.0.0 is installed and has taken over from 1.0.0.")
    answer = app.test_client().post("/api/v1/plugins/demo_plugin/tools/add", json={"a": 1, "b": 2, "c": 3})
    assert answer.get_json()["result"] == 6
    page.goto(re.sub(r"/plugins.*", "/plugins/demo_plugin/compare", page.url))
    expect(page.get_by_label("From")).to_have_value("1.0.0")
    page.get_by_role("link", name="tools.py").click()
    expect(page.get_by_role("region", name="Lines of tools.py")).to_contain_text("return a + b + c")


def test_without_scripts_a_check_is_confirmed_and_versions_are_chosen(open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False)
    for number, button in (("1.0.0", "Upload Plugin"), ("2.0.0", "Check only")):
        page.get_by_label("Choose plugin archives").set_input_files(archive(number, description=number))
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text(f"demo_plugin {number} is").first).to_be_visible(timeout=20_000)
        if number == "1.0.0":
            page.get_by_role("link", name="Plugin Management").first.click()
    page.get_by_role("button", name="Install this").click()
    expect(page.get_by_text("demo_plugin 2.0.0 is installed").first).to_be_visible(timeout=20_000)
    page.goto(re.sub(r"/installs/.*", "/plugins/demo_plugin/compare", page.url))
    expect(page.get_by_text("Its description is “2.0.0”")).to_be_visible()
    page.get_by_label("From", exact=True).select_option("2.0.0")
    page.get_by_label("To", exact=True).select_option("1.0.0")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="2.0.0 to 1.0.0")).to_be_visible()
