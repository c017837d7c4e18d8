"""Uploads as they are: large, over a slow link that breaks, and watched by somebody else."""

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.building import archive_bytes, example_archive, plugin_files
from tests.server.process import Server, await_true, serving
from tests.server.slow_link import SlowLink, slow_link

MIB = 1024 * 1024
LARGE_BYTES = 40 * MIB
SLOW = 6 * MIB
"""Bytes a second: some seconds for a large archive, which is long enough to be watched."""

Visit = Callable[[str], Page]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("slow") / "instance") as server:
        yield server


@pytest.fixture
def link(server: Server) -> Iterator[SlowLink]:
    with slow_link(server.port, SLOW) as link:
        yield link


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A page of a browser of its own at an address."""
    contexts = []

    def visited(address: str) -> Page:
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        return page

    yield visited
    for context in contexts:
        context.close()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """The example with 40 MiB in it that cannot be compressed."""
    path = tmp_path / "math_plugin-1.0.0.zip"
    path.write_bytes(example_archive("math_plugin-1.0.0"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("data.bin", os.urandom(LARGE_BYTES))
    return path


def send(page: Page, archive: Path) -> None:
    page.get_by_label("Drop plugin archives here").set_input_files(archive)
    page.get_by_role("button", name="Upload Plugin").click()


def megabytes(words: str) -> float:
    """The first size of a sentence, in MiB."""
    found = re.search(r"([0-9.]+) (bytes|KB|MB)", words)
    assert found, words
    return float(found.group(1)) * {"bytes": 1 / MIB, "KB": 1 / 1024, "MB": 1}[found.group(2)]


def parts_left(server: Server) -> list[Path]:
    """Files of uploads that lie in the instance."""
    return [path for path in server.instance.rglob("upload-*") if path.is_file()]


def installs(server: Server) -> list[str]:
    return [one["filename"] for one in server.get("/installs").json()["installs"]]


def test_progress_is_what_the_server_has_and_a_second_browser_follows_the_same_install(
    server: Server, link: SlowLink, visit: Visit, large: Path
) -> None:
    other = visit(f"{server.url}/plugins")
    page = visit(f"{link.url}/plugins")
    before = link.passed_bytes
    send(page, large)
    row = page.locator("#sending .install")
    expect(row).to_contain_text("of 40 MB received")
    for _ in range(3):
        shown = megabytes(row.locator(".sending-bytes").inner_text())
        bar = float(row.locator("progress").evaluate("bar => bar.value"))
        passed = (link.passed_bytes - before) / MIB
        assert shown <= passed + 0.1, "no more is claimed than has been on the way"
        assert bar < 1
    watched = other.locator("#installs .sending")
    expect(watched).to_contain_text("math_plugin-1.0.0.zip")
    expect(watched).to_contain_text("Coming in, from somebody else")
    at_first = megabytes(watched.inner_text())
    expect(other.locator("#installs")).not_to_contain_text(re.compile(rf"else: {at_first:g} MB"))
    for one in (page, other):
        expect(one.locator("#row-math_plugin")).to_contain_text("Answering")
    newest = server.get("/installs").json()["installs"][0]["id"]
    for one in (page, other):
        install = one.locator(f"#install-{newest}")
        expect(install).to_contain_text("math_plugin 1.0.0 is installed and answers now.")
    expect(page.locator("#sending .install")).to_have_count(0)
    assert parts_left(server) == []
    server.delete("/plugins/uploaded/math_plugin/1.0.0")


def test_a_connection_that_breaks_is_said_leaves_nothing_and_can_be_tried_again(
    server: Server, link: SlowLink, visit: Visit, large: Path
) -> None:
    known = installs(server)
    other = visit(f"{server.url}/plugins")
    page = visit(f"{link.url}/plugins")
    send(page, large)
    row = page.locator("#sending .install")
    expect(row).to_contain_text("received")
    expect(other.locator("#installs .sending")).to_have_count(1)
    assert parts_left(server) != []
    link.cut()
    expect(row).to_contain_text("The connection broke before the server answered.")
    expect(other.locator("#installs .sending")).to_have_count(0)
    await_true(lambda: parts_left(server) == [], "half a file was left")
    assert installs(server) == known
    link.is_cut, link.bytes_per_second = False, 200 * MIB
    row.get_by_role("button", name="Try again").click()
    expect(page.locator("#row-math_plugin")).to_contain_text("Answering")
    server.delete("/plugins/uploaded/math_plugin/1.0.0")


def test_an_upload_that_is_cancelled_on_its_way_leaves_nothing(
    server: Server, link: SlowLink, visit: Visit, large: Path
) -> None:
    known = installs(server)
    page = visit(f"{link.url}/plugins")
    send(page, large)
    row = page.locator("#sending .install")
    expect(row).to_contain_text("received")
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Cancelled. Nothing was installed.")
    await_true(lambda: parts_left(server) == [], "half a file was left")
    assert installs(server) == known


WAITS = """
import time

time.sleep(600)
"""


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A plugin that takes ever so long to load."""
    files = plugin_files("slow_plugin", "1.0.0")
    path = tmp_path / "slow_plugin-1.0.0.zip"
    path.write_bytes(archive_bytes({**files, "plugin.py": WAITS + files["plugin.py"]}))
    return path


def test_another_operator_cancels_and_whoever_left_the_page_finds_it_cancelled(
    server: Server, visit: Visit, endless: Path
) -> None:
    page = visit(f"{server.url}/plugins")
    send(page, endless)
    row = page.locator("#installs .install").filter(has_text="slow_plugin-1.0.0.zip")
    expect(row).to_contain_text("Trying the plugin out in a sandbox")
    page.get_by_role("link", name="System").click()
    expect(page.get_by_role("heading", name="System", exact=True)).to_be_visible()
    page.go_back()
    expect(row).to_contain_text("Trying the plugin out in a sandbox")
    other = visit(f"{server.url}/plugins")
    other.get_by_role("button", name="Cancel the install of slow_plugin-1.0.0.zip").click()
    for one in (page, other):
        ended = one.locator("#installs .install").filter(has_text="slow_plugin-1.0.0.zip").first
        expect(ended).to_contain_text("The install was cancelled. Nothing was changed.")
    assert parts_left(server) == []


def test_what_failed_is_tried_again_without_being_sent_again_by_whoever_sees_it(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    archive = tmp_path / "twice_plugin-1.0.0.zip"
    archive.write_bytes(archive_bytes(plugin_files("twice_plugin", "1.0.0")))
    page = visit(f"{server.url}/plugins")
    for _ in range(2):
        send(page, archive)
        expect(page.get_by_label("Files to upload")).to_be_hidden()
    refused = page.locator("#installs .install").filter(has_text="This version is installed already")
    expect(refused).to_have_count(1)
    other = visit(f"{server.url}/installs")
    row = other.locator(".install").filter(has_text="This version is installed already")
    row.locator("summary").first.click()
    row.get_by_role("button", name="Replace the version that is installed").click()
    expect(other.get_by_role("article").first).to_contain_text("twice_plugin 1.0.0 replaced the copy")


def test_a_fault_shows_the_line_it_stands_in(server: Server, visit: Visit, tmp_path: Path) -> None:
    files = plugin_files("bad_plugin", "1.0.0")
    archive = tmp_path / "bad_plugin-1.0.0.zip"
    broken = "x = 1\n\ndef oops(:\n" + files["tools.py"]
    archive.write_bytes(archive_bytes({**files, "tools.py": broken}))
    page = visit(f"{server.url}/plugins")
    send(page, archive)
    row = page.locator("#installs .install").filter(has_text="bad_plugin-1.0.0.zip")
    expect(row).to_contain_text("tools.py:3")
    expect(row.locator(".fault-line")).to_have_text("def oops(:")
