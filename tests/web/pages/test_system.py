"""The System page, and the banner that every page has while plugins are not confined as they should be."""

import re

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from msgspec import structs
from playwright.sync_api import expect

from cadence.config import SandboxMode, Settings
from cadence.model import Limits
from cadence.sandbox import Sandbox
from cadence.web.pages.limits import LIMITS
from cadence.web.system import ServerView
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import LAYERS, MadeUpServices, layers, plugin
from tests.web.pages.preview_chat import graph
from tests.web.pages.preview_system import MIB, disk_view, environment, room
from tests.web.pages.preview_versions import ago
from tests.web.pages.test_browser_frame import CONTRAST, Scheme

HTMX = {"HX-Request": "true"}
LONG = "a_plugin_with_a_name_that_goes_on_and_on_and_on_and_on_until_it_ends"

PAGES = ("/plugins", "/system", "/plugins/math_plugin", "/plugins/math_plugin/1.0.0/delete", "/nowhere")


@pytest.mark.parametrize("path", PAGES)
def test_a_complete_sandbox_needs_no_banner(client: FlaskClient, path: str) -> None:
    assert 'id="banner"' not in client.get(path).text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_that_layers_are_missing(client: FlaskClient, services: MadeUpServices, path: str) -> None:
    services.sandbox = Sandbox(SandboxMode.PREFER, layers("landlock", "cgroup"))
    page = client.get(path).text
    assert "2 of 6 layers are missing: landlock, cgroup. Plugins run with less protection than they should." in page
    assert ("What is missing, and what to do" in page) is (path != "/system")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_that_the_sandbox_is_off(client: FlaskClient, services: MadeUpServices, path: str) -> None:
    services.sandbox = Sandbox.of(SandboxMode.OFF, LAYERS)
    assert "The sandbox is off. Plugins can do whatever this server can." in client.get(path).text


def test_a_fragment_carries_no_banner(client: FlaskClient, services: MadeUpServices) -> None:
    services.sandbox = Sandbox(SandboxMode.PREFER, ())
    assert 'id="banner"' not in client.get("/plugins/list", headers={"HX-Request": "true"}).text


def test_the_system_page_shows_each_layer_why_it_is_missing_and_what_to_do(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.sandbox = Sandbox(SandboxMode.REQUIRE, layers("landlock", weak="seccomp"))
    page = client.get("/system").text
    for words in (
        "this kernel (5.10) has no landlock",
        "Run a kernel of 6.12 or newer",
        "Active, weaker than it could be",
        "this kernel (6.1) does not scope signals",
        "No plugin runs",
        "<code>require</code>",
    ):
        assert words in page


def test_the_system_page_says_why_no_plugin_can_be_started(client: FlaskClient, services: MadeUpServices) -> None:
    services.sandbox, services.failure = None, "The host gives no process."
    assert "No plugin can be started. The host gives no process." in client.get("/system").text


def test_the_system_page_shows_limits_versions_instance_and_servers(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.default_limits = Limits(memory_mb=2048, call_seconds=12.5)
    page = client.get("/system").text
    for words in ("2,048 MiB", "12.5 seconds", "CADENCE_PLUGIN_MEMORY_MB", "CPython 3.11.9", "4711", "/srv/cadence"):
        assert words in page


def test_every_limit_has_words_and_the_setting_of_its_default() -> None:
    assert [words.name for words in LIMITS] == list(Limits.__struct_fields__)
    variables = {field.metadata["variable"] for field in Settings.__dataclass_fields__.values()}
    assert {words.variable for words in LIMITS} <= variables


def test_the_system_page_is_an_area_of_its_own(open_page: OpenPage) -> None:
    page = open_page("/plugins")
    page.get_by_role("link", name="System").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("System")
    expect(page.get_by_role("link", name="System")).to_have_attribute("aria-current", "page")
    table = page.get_by_role("table", name="Sandbox")
    expect(table.get_by_role("row")).to_have_count(1 + len(LAYERS))
    expect(table.get_by_role("row", name="landlock")).to_contain_text("Active")


def test_the_banner_leads_to_the_system_page(open_page: OpenPage, services: MadeUpServices) -> None:
    services.sandbox = Sandbox(SandboxMode.PREFER, layers("cgroup"))
    page = open_page("/plugins")
    banner = page.get_by_role("complementary", name="Warning")
    expect(banner).to_contain_text("1 of 6 layers is missing: cgroup")
    banner.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("System")


def test_the_banner_comes_by_itself_once_it_is_known(open_page: OpenPage, services: MadeUpServices) -> None:
    services.sandbox = None
    page = open_page("/plugins")
    expect(page.locator("#banner")).to_be_empty()
    services.sandbox = Sandbox(SandboxMode.PREFER, layers("cgroup"))
    expect(page.get_by_role("complementary", name="Warning")).to_contain_text("cgroup")


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_the_system_page_fits_its_window_and_stays_a_table(
    open_page: OpenPage, services: MadeUpServices, width: int
) -> None:
    services.sandbox = Sandbox(SandboxMode.PREFER, layers("landlock", "cgroup", weak="seccomp"))
    page = open_page("/system", viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    row = page.get_by_role("table", name="Sandbox").get_by_role("row", name="landlock")
    expect(row.get_by_role("cell").first).to_have_text("Missing")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_of_the_system_page_can_be_read(
    open_page: OpenPage, services: MadeUpServices, scheme: Scheme
) -> None:
    services.sandbox = Sandbox(SandboxMode.PREFER, layers("landlock", "cgroup", weak="seccomp"))
    page = open_page("/system", color_scheme=scheme, reduced_motion="reduce")
    assert page.evaluate(CONTRAST) == []
    services.sandbox = Sandbox.of(SandboxMode.OFF, LAYERS)
    page.reload()
    assert page.evaluate(CONTRAST) == []


# What lies on the disk


def test_the_disk_is_shown_by_kind_with_what_bounds_each(client: FlaskClient) -> None:
    page = client.get("/system").text
    for words in ("Extracted plugins", "14 MB", "200 MB each version", "CADENCE_MAX_UNPACKED_BYTES", "151.9 MB"):
        assert words in page
    assert "kept for 7 days" in page
    assert 'href="/plugins/math_plugin/packages">math_plugin-1.0.0</a>' in page


def test_an_environment_that_nobody_needs_says_so(client: FlaskClient, services: MadeUpServices) -> None:
    services.disk = disk_view(environment())
    assert "Unused" in client.get("/system").text
    services.disk = disk_view()
    assert "no installed plugin brings packages of its own" in client.get("/system").text


def test_many_environments_are_not_all_listed(client: FlaskClient, services: MadeUpServices) -> None:
    services.disk = disk_view(*(environment(f"{number:012x}", "math_plugin-1.0.0") for number in range(23)))
    page = client.get("/system").text
    assert page.count('class="environment-head"') == 20
    assert "3 smaller ones are not shown." in page


def test_a_version_that_was_named_by_hand_leads_nowhere(client: FlaskClient, services: MadeUpServices) -> None:
    hostile = '"><script>x</script>'
    services.disk = disk_view(environment("5f0e9c1a77d2", hostile, "translate-plugin-0.4.0rc1"))
    page = client.get("/system").text
    assert hostile not in page
    assert str(escape(hostile)) in page
    assert 'href="/plugins/translate-plugin/packages">translate-plugin-0.4.0rc1</a>' in page


def test_what_was_not_measured_yet_comes_by_itself(client: FlaskClient, services: MadeUpServices) -> None:
    known, services.disk = services.disk, None
    page = client.get("/system").text
    assert 'hx-get="/system/disk" hx-trigger="load"' in page
    assert "Measure what lies on the disk" in page
    still = client.get("/system/disk", headers=HTMX).text
    assert 'hx-trigger="load delay:10s"' in still
    assert "Measuring takes long." in still
    services.disk = known
    part = client.get("/system/disk", headers=HTMX).text
    assert "<html" not in part
    assert "151.9 MB" in part
    assert services.patience[-1] > services.patience[0]


def test_the_disk_is_on_the_page_without_scripts(client: FlaskClient) -> None:
    page = client.get("/system/disk").text
    assert "<h1>System</h1>" in page
    assert "151.9 MB" in page


def test_folders_that_cannot_be_looked_into_are_told(client: FlaskClient, services: MadeUpServices) -> None:
    services.disk = disk_view(hidden=2)
    assert "2 folders in it cannot be looked into" in client.get("/system").text


def test_a_disk_without_room_for_the_largest_install_is_a_warning(
    client: FlaskClient, services: MadeUpServices
) -> None:
    assert "The largest install that is allowed takes" not in client.get("/system").text
    services.rooms = (room(free_bytes=200 * MIB),)
    assert "The largest install that is allowed takes 450 MB, and 200 MB are free" in client.get("/system").text


# Processes


def test_servers_are_shown_with_their_age_memory_and_what_they_have_taken_in(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.servers += (ServerView(4712, ago(minutes=3), 88 * MIB, 40, 2, answers=False),)
    part = client.get("/system/processes", headers=HTMX).text
    for words in ("4711", "answers you", "5 hours ago", "96 MB", "all 42", "4712", "2 behind", "188 MB of 4 GB"):
        assert words in part


def test_the_part_of_the_processes_is_not_sent_again_while_nothing_changed(
    client: FlaskClient, services: MadeUpServices
) -> None:
    first = client.get("/system/processes", headers=HTMX)
    tag = first.headers["ETag"]
    assert client.get("/system/processes", headers={**HTMX, "If-None-Match": tag}).status_code == 304
    services.servers = tuple(structs.replace(one, memory_bytes=one.memory_bytes + 1) for one in services.servers)
    assert client.get("/system/processes", headers={**HTMX, "If-None-Match": tag}).status_code == 304
    services.servers = ()
    again = client.get("/system/processes", headers={**HTMX, "If-None-Match": tag})
    assert "No server process is in the index." in again.text
    assert services.patience == []


def test_the_processes_are_a_page_without_scripts(client: FlaskClient) -> None:
    assert "<h1>System</h1>" in client.get("/system/processes").text


# The graph of conversations


def test_the_page_does_not_wait_for_the_graph(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MadeUpServices, "picture", None)
    assert 'hx-get="/system/graph" hx-trigger="load"' in client.get("/system").text


def test_the_graph_shows_each_agent_with_its_health_and_tools(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed.append(plugin("search_plugin", "failed"))
    services.drawn = graph("math_plugin", "search_plugin", "just_deleted", left_out=2)
    part = client.get("/system/graph", headers=HTMX).text
    assert "<html" not in part
    assert "with 3 agents</title>" in part
    assert 'href="/plugins/math_plugin" aria-label="math_plugin: Answering"' in part
    assert 'href="/plugins/search_plugin" aria-label="search_plugin: Failed"' in part
    assert 'href="/plugins/math_plugin/tools" aria-label="Tools of math_plugin"' in part
    assert "add, multiply, median" in part
    assert 'href="/plugins/just_deleted' not in part
    assert "2 more plugins are live." in part


def test_the_graph_is_not_sent_again_until_an_agent_stands_differently(
    client: FlaskClient, services: MadeUpServices
) -> None:
    tag = client.get("/system/graph", headers=HTMX).headers["ETag"]
    assert client.get("/system/graph", headers={**HTMX, "If-None-Match": tag}).status_code == 304
    services.change("math_plugin", calls=5)
    assert client.get("/system/graph", headers={**HTMX, "If-None-Match": tag}).status_code == 304
    services.change("math_plugin", status="degraded")
    again = client.get("/system/graph", headers={**HTMX, "If-None-Match": tag})
    assert "math_plugin: Answering, unhealthy" in again.text


def test_a_graph_without_agents_says_what_to_do(client: FlaskClient, services: MadeUpServices) -> None:
    services.drawn = graph()
    assert "No plugin is live, so there is no agent." in client.get("/system/graph", headers=HTMX).text


def test_the_graph_is_on_the_page_without_scripts(client: FlaskClient) -> None:
    page = client.get("/system/graph").text
    assert "<h1>System</h1>" in page
    assert '<g class="graph-box"' in page
    assert 'hx-trigger="load"' not in page


@pytest.mark.parametrize("count", [1, 5, 32])
def test_the_graph_is_a_picture_where_there_is_room_and_a_list_where_there_is_not(
    open_page: OpenPage, services: MadeUpServices, count: int
) -> None:
    names = ["math_plugin", LONG, *(f"helper_{number}" for number in range(30))][:count]
    services.installed[:] = [plugin(name) for name in names]
    services.drawn = graph(*names)
    page = open_page("/system", viewport={"width": 1280, "height": 800})
    picture = page.get_by_role("group", name="The conversation graph, with")
    expect(picture.get_by_role("link", name="math_plugin: Answering")).to_be_visible()
    expect(picture.get_by_role("link", name="Tools of")).to_have_count(count)
    expect(page.get_by_role("list", name="The conversation graph")).to_be_hidden()
    assert page.evaluate(CUT) == []
    page.set_viewport_size({"width": 320, "height": 800})
    expect(picture).to_be_hidden()
    items = page.get_by_role("list", name="The conversation graph").get_by_role("list").get_by_role("listitem")
    expect(items).to_have_count(count)
    expect(items.first).to_contain_text("Answering")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    items.first.get_by_role("link", name="math_plugin").click()
    expect(page).to_have_url(re.compile("/plugins/math_plugin$"))


CUT = """() => [...document.querySelectorAll(".graph-box")].filter((box) => {
  const frame = box.querySelector("rect").getBoundingClientRect();
  return [...box.querySelectorAll("text")].some((text) => {
    const { left, right, height } = text.getBoundingClientRect();
    return left < frame.left || right > frame.right || height < 10;
  });
}).map((box) => box.textContent)"""
"""The boxes of the picture whose words stick out of them, or are too small to be read."""
