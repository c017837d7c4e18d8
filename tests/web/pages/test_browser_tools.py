"""Trying out a tool in a browser: its form is filled in, by keyboard and on a phone, and the result is read."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from cadence.errors import InvalidArguments, ToolRaised
from cadence.model import ToolSpec
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices, plugin
from tests.web.pages.test_tools import CONVERT

PHONE: dict[str, Any] = {"viewport": {"width": 375, "height": 740}, "has_touch": True}
TOOLS = "/plugins/math_plugin/tools"


@pytest.fixture(autouse=True)
def converter(services: MadeUpServices) -> None:
    services.installed[:] = [plugin(tools=(CONVERT, ToolSpec("now", "The time.", {"properties": {}})))]


def test_a_tool_is_called_by_keyboard_and_the_focus_goes_to_its_result(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(TOOLS)
    page.get_by_label("amount").fill("2.5")
    page.get_by_label("currency").select_option("dollar")
    page.get_by_label("notes").fill("one\ntwo")
    page.get_by_label("amount").press("Enter")
    result = page.get_by_role("heading", name="Result").locator("..")
    expect(result).to_be_focused()
    expect(result).to_contain_text('"amount": 2.5')
    args = {"amount": 2.5, "currency": "dollar", "exact": False, "notes": ["one", "two"]}
    assert services.called == [("math_plugin", "convert", args)]
    expect(page.get_by_label("notes")).to_have_value("one\ntwo")


def test_on_a_phone_the_same_is_done_and_nothing_is_cut_off(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(TOOLS, **PHONE)
    page.get_by_role("link", name="now").tap()
    expect(page).to_have_url(re.compile(r"\?tool=now$"))
    page.get_by_role("button", name="Call now").tap()
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    assert services.called == [("math_plugin", "now", {})]
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_without_scripts_a_call_is_a_page_that_shows_the_result(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(TOOLS, java_script_enabled=False)
    page.get_by_label("amount").fill("1")
    page.get_by_role("button", name="Call convert").click()
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    assert len(services.called) == 1


def test_what_does_not_fit_is_said_at_its_field(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(TOOLS, allowed=("422", "502"))
    page.get_by_label("amount").fill("much")
    page.get_by_role("button", name="Call convert").click()
    amount = page.get_by_label("amount")
    expect(amount).to_have_attribute("aria-invalid", "true")
    expect(amount).to_have_accessible_description(re.compile(r"Write a number, such as 2\.5\."))
    services.tool_failure = InvalidArguments("`amount`: Input should be less than 100")
    amount.fill("200")
    page.get_by_role("button", name="Call convert").click()
    expect(amount).to_have_accessible_description(re.compile("Input should be less than 100"))
    services.tool_failure = ToolRaised("ValueError: no rate today")
    page.get_by_role("button", name="Call convert").click()
    expect(page.get_by_role("alert")).to_contain_text("ValueError: no rate today")
    assert len(services.called) == 2


def test_arguments_can_be_written_as_json_at_an_address_of_its_own(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page(TOOLS)
    page.get_by_role("link", name="Write as JSON").click()
    page.get_by_label("Arguments as a JSON object").fill('{"amount": 3}')
    page.get_by_role("button", name="Call convert").click()
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    assert services.called == [("math_plugin", "convert", {"amount": 3})]
    page.go_back()
    expect(page.get_by_label("amount")).to_be_visible()
