"""The page in front of the whole house: a real plugin goes from the browser to answering calls."""

import io
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import FilePayload, expect

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from tests.building import archive_bytes, example_archive, plugin_files
from tests.conftest import parts_of
from tests.web.pages.conftest import OpenPage
from tests.web.pages.test_browser_upload import choose, send


@pytest.fixture
def app(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(settings, zygote)
    yield app
    parts_of(app).close()


def example(slug: str = "math_plugin-1.0.0") -> FilePayload:
    return {"name": f"{slug}.zip", "mimeType": "application/zip", "buffer": example_archive(slug)}


def call_add(app: Flask) -> object:
    answer = app.test_client().post("/api/v1/plugins/math_plugin/tools/add", json={"a": 2, "b": 3}).get_json()
    return answer.get("result")


def test_a_plugin_is_uploaded_answers_is_reloaded_and_is_deleted(open_page: OpenPage, app: Flask) -> None:
    page = open_page()
    expect(page.get_by_role("heading", name="No plugins yet")).to_be_visible()
    choose(page, example())
    send(page)
    expect(page.locator("#installs")).to_contain_text("math_plugin 1.0.0 is installed and answers now.")
    card = page.locator("#row-math_plugin")
    expect(card).to_contain_text("Answering")
    expect(card).to_contain_text("multiply")
    assert call_add(app) == 5
    page.get_by_role("button", name="Reload plugins").click()
    expect(page.locator(".reloaded")).to_contain_text("Reloaded 1 plugin")
    expect(page.locator(".reloaded")).to_contain_text("1 healthy, 0 failed")
    page.get_by_role("link", name="Delete math_plugin 1.0.0").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#notices")).to_contain_text("math_plugin 1.0.0 was deleted.")
    expect(page.get_by_role("heading", name="No plugins yet")).to_be_visible()
    assert call_add(app) is None


def test_faults_are_shown_and_the_version_before_goes_on_answering(open_page: OpenPage, app: Flask) -> None:
    page = open_page()
    choose(page, example())
    send(page)
    expect(page.locator("#installs")).to_contain_text("answers now")
    broken = archive_bytes(plugin_files("math_plugin", "2.0.0", files={"plugin.py": None, "tools.py": None}))
    choose(page, {"name": "math_plugin-2.0.0.zip", "mimeType": "application/zip", "buffer": broken})
    send(page)
    row = page.locator("#installs .install").filter(has_text="math_plugin-2.0.0.zip")
    expect(row).to_contain_text("Missing required file: plugin.py")
    expect(row).to_contain_text("Missing required file: tools.py")
    assert call_add(app) == 5


def test_without_scripts_the_same_is_done_with_plain_forms(open_page: OpenPage, app: Flask) -> None:
    page = open_page(java_script_enabled=False)
    page.get_by_label("Choose plugin archives").set_input_files(example())
    page.get_by_role("button", name="Upload Plugin").click()
    expect(page.get_by_text("math_plugin 1.0.0 is installed and answers now.").first).to_be_visible()
    assert call_add(app) == 5
    page.goto(re.sub(r"/installs/.*", "/plugins", page.url))
    page.get_by_role("link", name="Delete math_plugin 1.0.0").click()
    page.get_by_role("button", name="Delete math_plugin 1.0.0").click()
    expect(page.get_by_text("math_plugin 1.0.0 was deleted.")).to_be_visible()
    assert call_add(app) is None


TOKEN = """
    import os
    from cadence_sdk import tool

    @tool
    def token() -> str:
        "The value of TOKEN."
        return os.environ.get("TOKEN", "none")

    TOOLS = [token]
"""


def test_what_is_granted_on_the_page_is_what_the_plugin_has(open_page: OpenPage, app: Flask) -> None:
    client = app.test_client()
    content = archive_bytes(plugin_files(tools=TOKEN))
    fields = {"file": (io.BytesIO(content), "demo_plugin-1.0.0.zip")}
    assert client.post("/api/v1/plugins/upload", data=fields).status_code == 201

    def token() -> object:
        return client.post("/api/v1/plugins/demo_plugin/tools/token").get_json().get("result")

    assert token() == "none"
    page = open_page("/plugins/demo_plugin/permissions", allowed=("422",))
    page.get_by_label("Name", exact=True).fill("TOKEN")
    page.get_by_label("Value", exact=True).fill("of the page")
    page.get_by_label("Memory").fill("lots")
    page.get_by_role("button", name="Save permissions").click()
    expect(page.get_by_text("Memory must be a whole number of MiB")).to_be_visible()
    assert token() == "none"
    page.get_by_label("Memory").fill("256")
    page.get_by_label("Value", exact=True).fill("of the page")
    page.get_by_role("button", name="Save permissions").click()
    expect(page.locator(".saved")).to_contain_text("demo_plugin runs with these grants.")
    assert token() == "of the page"
    assert client.get("/api/v1/plugins/demo_plugin/grants").get_json()["limits"]["memory_mb"] == 256
    page.get_by_label("Remove TOKEN").check()
    page.get_by_role("button", name="Save permissions").click()
    expect(page.get_by_label("Remove TOKEN")).to_have_count(0)
    assert token() == "none"


def test_the_system_page_shows_the_layers_of_this_host(open_page: OpenPage, zygote: Zygote) -> None:
    page = open_page("/system")
    rows = page.get_by_role("table", name="Sandbox").get_by_role("row")
    expect(rows).to_have_count(1 + len(zygote.layers))
    expect(page.get_by_text("512 MiB")).to_be_visible()


ANSWERING = """
    from cadence_sdk import example, tool

    @example(returns={version!r})
    @tool
    def which() -> str:
        "Which version answers."
        return {version!r}

    TOOLS = [which]
"""


def test_versions_are_switched_deleted_and_brought_back_by_keyboard(open_page: OpenPage, app: Flask) -> None:
    client = app.test_client()
    for version in ("1.0.0", "1.1.0"):
        content = archive_bytes(plugin_files(version=version, tools=ANSWERING.format(version=version)))
        fields = {"file": (io.BytesIO(content), f"demo_plugin-{version}.zip")}
        assert client.post("/api/v1/plugins/upload", data=fields).status_code == 201

    def answers(version: str) -> bool:
        body = client.post("/api/v1/plugins/demo_plugin/tools/which").get_json()
        return bool(body.get("result") == version == body.get("plugin_version"))

    page = open_page("/plugins/demo_plugin/versions")

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).press("Enter")

    def go(section: str) -> None:
        with page.expect_navigation():  # whole: before its scripts have run, a form would be sent as a plain one
            page.locator(".tabs").get_by_role("link", name=section, exact=True).press("Enter")

    saved, heading = page.locator(".saved"), page.locator("#plugin-title")
    expect(heading).to_have_text("demo_plugin 1.1.0")
    press("Activate demo_plugin 1.0.0")
    expect(saved).to_be_focused()
    expect(heading).to_have_text("demo_plugin 1.0.0")
    assert answers("1.0.0")
    press("Roll back to 1.1.0")
    expect(heading).to_have_text("demo_plugin 1.1.0")
    assert answers("1.1.0")
    go("Health")
    press("Check now")
    expect(saved).to_contain_text("1.1.0 is healthy.")
    press("Test its tools")
    expect(page.get_by_role("list", name="Examples of the tools of demo_plugin 1.1.0")).to_contain_text("Passed")
    go("Versions")
    page.get_by_role("link", name="Delete demo_plugin 1.1.0").press("Enter")
    dialog = page.get_by_role("dialog", name="Delete demo_plugin 1.1.0?")
    expect(dialog).to_contain_text("1.0.0 takes its place.")
    dialog.get_by_role("button", name="Delete demo_plugin 1.1.0").press("Enter")
    expect(heading).to_have_text("demo_plugin 1.0.0")
    assert answers("1.0.0")
    undo = page.locator("#notices").get_by_role("button", name="Undo the deletion of demo_plugin 1.1.0")
    undo.press("Enter")
    notice = page.locator("#notices").get_by_text("demo_plugin 1.1.0 is back and is active again.")
    expect(notice).to_be_focused()
    expect(heading).to_have_text("demo_plugin 1.1.0")
    assert answers("1.1.0")
    go("History")
    history = page.locator("#history")
    for words in ("1.0.0 was activated", "1.1.0 is active again", "1.1.0 was deleted", "1.1.0 was brought back"):
        expect(history).to_contain_text(words)


def test_an_empty_server_installs_its_example_whose_tool_is_tried_and_whose_archive_is_had_again(
    open_page: OpenPage, app: Flask
) -> None:
    page = open_page()
    page.get_by_role("button", name="Install this example").click()
    expect(page.locator("#installs")).to_contain_text("greeter 1.0.0 is installed and answers now.")
    page.locator("#row-greeter").get_by_role("link", name="greeter", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the archive").click()
    offered = app.test_client().get("/plugins/sample.zip").data
    assert (download.value.suggested_filename, download.value.path().read_bytes()) == ("greeter-1.0.0.zip", offered)
    page.get_by_role("link", name="Tools", exact=True).click()
    page.locator("#tool-field-1").fill("Ada")
    page.get_by_role("button", name=re.compile("^Call ")).click()
    expect(page.locator("#tool-result")).to_contain_text("Ada")
    expect(page.locator("#tool-result")).to_contain_text("greeter 1.0.0 answered in")
    page.locator(".tabs").get_by_role("link", name="History", exact=True).click()
    expect(page.locator("#history")).to_contain_text("1.0.0 was installed and is active")


def test_a_plugin_that_was_uploaded_answers_in_a_conversation(open_page: OpenPage, app: Flask) -> None:
    page = open_page()
    choose(page, example())
    send(page)
    expect(page.locator("#installs")).to_contain_text("answers now")
    page.get_by_role("link", name="Chat", exact=True).click()
    page.get_by_role("textbox").fill("what is 12 times 7, and add 5 to it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("add(a=84, b=5) = 89")
    expect(page.get_by_role("main")).to_contain_text("math_plugin 1.0.0 · multiply")
    expect(page.get_by_role("heading", name="what is 12 times 7, and add 5 to it")).to_be_visible()
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("add(a=84, b=5) = 89")
