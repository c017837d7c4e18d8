"""Permissions in a browser: by keyboard, without scripts, on every width."""

import re
from collections.abc import Iterator

import pytest
from msgspec import structs
from playwright.sync_api import Page, expect

from cadence.model import Endpoint, Grants
from cadence.web.present import Requested
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices
from tests.web.pages.preview_usage import MIB, TAKEN
from tests.web.pages.test_browser_frame import CONTRAST, Scheme

PAGE = "/plugins/math_plugin/permissions"
LONG = "a-host-with-a-name-that-goes-on-and-on.and-on-and-on-until-it-ends-somewhere.example.com"


@pytest.fixture
def crowded(services: MadeUpServices) -> Iterator[None]:
    """Grants, requests and names as long as they get."""
    services.granted["math_plugin"] = Grants(
        network=(Endpoint(LONG, 443),), env={"A_NAME_THAT_GOES_ON_AND_ON_AND_ON_UNTIL_IT_ENDS": "x", "TOKEN": "y"}
    )
    services.requested = Requested((f"other-{LONG}:443", "api.example.com:443"), 4096)
    yield
    services.granted.clear()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save permissions").click()


def test_grants_are_changed_and_said_without_leaving_the_page(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(PAGE)
    page.evaluate("window.here = true")
    page.get_by_label("Network").fill("api.example.com:443\n10.0.0.5:5432")
    page.get_by_label("Memory").fill("1024")
    page.get_by_label("Name", exact=True).fill("TOKEN")
    page.get_by_label("Value", exact=True).fill("secret")
    page.get_by_label("Value", exact=True).press("Enter")
    saved = page.locator(".saved")
    expect(saved).to_contain_text("Saved.")
    expect(saved).to_be_focused()
    expect(page.get_by_label("Memory")).to_have_value("1024")
    expect(page.get_by_label("Replace TOKEN with")).to_have_value("")
    assert page.evaluate("window.here")
    assert services.granted["math_plugin"] == Grants(
        network=(Endpoint("api.example.com", 443), Endpoint("10.0.0.5", 5432)), memory_mb=1024, env={"TOKEN": "secret"}
    )
    assert "secret" not in page.content()


def test_faults_take_the_focus_and_are_told_with_their_fields(open_page: OpenPage) -> None:
    page = open_page(PAGE, allowed=("422",))
    page.get_by_label("Threads").fill("many")
    save(page)
    alert = page.get_by_role("alert").filter(has_text="Nothing was changed.")
    expect(alert).to_be_focused()
    threads = page.get_by_label("Threads")
    expect(threads).to_have_value("many")
    expect(threads).to_have_attribute("aria-invalid", "true")
    expect(threads).to_have_accessible_description(re.compile("Threads must be a whole number"))
    expect(page.locator("#connection")).to_be_hidden()
    threads.fill("12")
    save(page)
    expect(page.locator(".saved")).to_be_focused()


def test_a_request_is_granted_by_its_button_only(open_page: OpenPage, services: MadeUpServices) -> None:
    services.requested = Requested(("api.example.com:443",), 1024)
    page = open_page(PAGE)
    asked = page.get_by_role("form", name="math_plugin asks for more than it has")
    expect(asked.get_by_role("listitem")).to_have_text(["network access to api.example.com:443", "1,024 MiB of memory"])
    assert services.granted == {}
    asked.get_by_role("button", name="Grant exactly this").click()
    expect(page.locator(".saved")).to_be_focused()
    expect(asked).to_have_count(0)
    assert services.granted["math_plugin"] == Grants(network=(Endpoint("api.example.com", 443),), memory_mb=1024)


def test_without_scripts_the_same_form_works(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(PAGE, java_script_enabled=False, allowed=("422",))
    page.get_by_label("Network").fill("nonsense")
    save(page)
    expect(page.get_by_text("'nonsense' is not an endpoint.")).to_be_visible()
    page.get_by_label("Network").fill("api.example.com:443")
    save(page)
    expect(page.get_by_text("The permissions of math_plugin were saved.")).to_be_visible()
    assert services.granted["math_plugin"].network == (Endpoint("api.example.com", 443),)


def test_a_plugin_that_was_deleted_meanwhile_is_said(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(PAGE, allowed=("404",))
    services.installed.clear()
    save(page)
    expect(page.get_by_role("alert").filter(has_text="No plugin 'math_plugin' is installed.")).to_be_visible()


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("width", [320, 375, 768, 1280, 1920])
def test_the_page_fits_its_window(open_page: OpenPage, width: int) -> None:
    page = open_page(PAGE, viewport={"width": width, "height": 800}, allowed=("422",))
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_label("Network").fill("x" * 290)
    save(page)
    expect(page.get_by_role("alert").filter(has_text="Nothing was changed.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(open_page: OpenPage, scheme: Scheme) -> None:
    page = open_page(PAGE, color_scheme=scheme, reduced_motion="reduce", allowed=("422",))
    assert page.evaluate(CONTRAST) == []
    page.get_by_label("Memory").fill("lots")
    save(page)
    expect(page.get_by_text("Memory must be")).to_be_visible()
    page.mouse.move(0, 0)
    assert page.evaluate(CONTRAST) == []
    page.get_by_label("Memory").fill("")
    save(page)
    expect(page.locator(".saved")).to_be_visible()
    assert page.evaluate(CONTRAST) == []


@pytest.mark.usefixtures("crowded")
def test_every_field_has_a_label_and_every_id_is_its_own(open_page: OpenPage) -> None:
    page = open_page(PAGE)
    nameless = page.evaluate("""() => [...document.querySelectorAll("input, textarea")]
      .filter((one) => one.type !== "hidden" && !one.labels.length).map((one) => one.outerHTML)""")
    assert nameless == []
    assert (
        page.evaluate("""() => {
      const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
      const named = [...document.querySelectorAll("[aria-describedby]")]
        .flatMap((one) => one.getAttribute("aria-describedby").split(" "));
      return [...ids.filter((id, index) => ids.indexOf(id) !== index), ...named.filter((id) => !ids.includes(id))];
    }""")
        == []
    )


def test_two_operators_in_two_browsers_lose_nothing(open_page: OpenPage, services: MadeUpServices) -> None:
    one, other = open_page(PAGE), open_page(PAGE, allowed=("409",))
    other.get_by_label("Threads").fill("40")
    other.get_by_label("Memory").fill("777")
    one.get_by_label("Threads").fill("50")
    one.get_by_label("Network").fill("api.example.com:443")
    save(one)
    expect(one.locator(".saved")).to_be_focused()
    save(other)
    alert = other.get_by_role("alert").filter(has_text="somebody else changed the permissions of math_plugin")
    expect(alert).to_be_focused()
    expect(alert.get_by_role("listitem")).to_have_text(
        [
            "Threads is 50 now; you typed 40, which stands below.",
            "Network is api.example.com:443 now. That stands in the form below.",
        ]
    )
    assert services.granted["math_plugin"].threads == 50
    expect(other.get_by_label("Threads")).to_have_value("40")
    save(other)
    expect(other.locator(".saved")).to_be_focused()
    assert services.granted["math_plugin"] == Grants(
        network=(Endpoint("api.example.com", 443),), threads=40, memory_mb=777
    )


def test_without_scripts_the_second_of_two_operators_is_told_too(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(PAGE, java_script_enabled=False, allowed=("409",))
    page.get_by_label("Threads").fill("40")
    services.grant("math_plugin", {"threads": 50})
    save(page)
    expect(page.get_by_text("Threads is 50 now; you typed 40, which stands below.")).to_be_visible()
    page.get_by_role("link", name="Drop what I typed").click()
    expect(page.get_by_label("Threads")).to_have_value("50")


def test_what_it_takes_follows_while_somebody_types(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(PAGE)
    memory = page.get_by_label("Memory")
    memory.fill("7")
    expect(page.locator("#use-memory_mb")).to_contain_text("83 MiB")
    services.usages["math_plugin"] = structs.replace(TAKEN, memory_bytes=500 * MIB)
    expect(page.locator("#use-memory_mb")).to_contain_text("Nearly used up")
    expect(memory).to_be_focused()
    memory.press("End")
    memory.press("8")
    expect(memory).to_have_value("78")


def test_a_name_that_is_not_installed_is_granted_something_in_a_browser(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page("/plugins/later_plugin/permissions")
    page.get_by_label("Memory").fill("64")
    save(page)
    expect(page.locator(".saved")).to_be_focused()
    assert services.granted["later_plugin"] == Grants(memory_mb=64)
