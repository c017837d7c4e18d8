"""The System page, and the banner that every page has while plugins are not confined as they should be."""

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect

from cadence.config import SandboxMode, Settings
from cadence.model import Limits
from cadence.sandbox import Sandbox
from cadence.web.pages.limits import LIMITS
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import LAYERS, MadeUpServices, layers
from tests.web.pages.test_browser_frame import CONTRAST, Scheme

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
