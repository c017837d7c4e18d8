"""Deleting, reloading, and the list that keeps itself true."""

import re
import threading
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cadence.web.bulk import BulkAction
from cadence.web.present import ReloadedPlugin, ReloadView
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices, plugin, version


def test_a_version_is_deleted_by_keyboard_after_a_confirmation(open_page: OpenPage, services: MadeUpServices) -> None:
    services.installed[:] = [plugin(), plugin("other")]
    page = open_page()
    page.get_by_role("link", name="Delete math_plugin 1.0.0").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete math_plugin 1.0.0?")
    expect(dialog).to_contain_text("store_plugin/math_plugin-1.0.0")
    expect(dialog).to_contain_text("math_plugin-1.0.0.zip")
    expect(page.get_by_role("link", name="Keep it")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#notices")).to_contain_text("math_plugin 1.0.0 was deleted.")
    expect(page.locator(".listed-row")).to_have_count(1)
    expect(page.get_by_role("heading", name="Installed plugins")).to_be_focused()
    assert [view.name for view in services.installed] == ["other"]


def refresh(page: Page) -> None:
    """Have the list look for changes now, as it does every few seconds."""
    page.evaluate("htmx.trigger(document.body, 'plugins-changed')")


def test_the_focus_goes_to_the_list_though_that_knows_of_the_deletion_before_the_answer_comes(
    open_page: OpenPage, services: MadeUpServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.installed[:] = [plugin(), plugin("other")]
    deleted, answer = threading.Event(), threading.Event()
    delete = services.delete

    def delete_slowly(*arguments: Any) -> Any:
        successor = delete(*arguments)
        deleted.set()
        answer.wait()
        return successor

    monkeypatch.setattr(services, "delete", delete_slowly)
    page = open_page()
    page.get_by_role("link", name="Delete math_plugin 1.0.0").press("Enter")
    page.get_by_role("button", name="Delete math_plugin 1.0.0").press("Enter")
    try:
        assert deleted.wait(60)
        refresh(page)
        expect(page.locator(".listed-row")).to_have_count(1)
        expect(page.get_by_role("dialog")).to_be_visible()
    finally:
        answer.set()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", name="Installed plugins")).to_be_focused()


def test_escape_returns_the_focus_though_the_list_has_changed_meanwhile(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page()
    link = page.get_by_role("link", name="Delete math_plugin 1.0.0")
    link.press("Enter")
    expect(page.get_by_role("link", name="Keep it")).to_be_focused()
    services.installed.append(plugin("other"))
    refresh(page)
    expect(page.locator(".listed-row")).to_have_count(2)
    expect(page.get_by_role("link", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(link).to_be_focused()


def test_escape_keeps_the_plugin_and_returns_the_focus(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    link = page.get_by_role("link", name="Delete math_plugin 1.0.0")
    link.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(link).to_be_focused()
    assert len(services.installed) == 1


def test_keep_it_closes_the_dialog_without_leaving_the_page(open_page: OpenPage) -> None:
    page = open_page()
    page.evaluate("window.here = true")
    page.get_by_role("link", name="Delete math_plugin 1.0.0").click()
    page.get_by_role("link", name="Keep it").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("window.here")


def test_a_deletion_of_one_of_two_versions_says_what_answers_now(open_page: OpenPage, services: MadeUpServices) -> None:
    services.installed[:] = [plugin(versions=(version("2.0.0"), version("1.0.0", active=False)))]
    page = open_page("/plugins/math_plugin/versions")
    page.get_by_role("link", name="Delete math_plugin 2.0.0").click()
    page.get_by_role("button", name="Delete math_plugin 2.0.0").click()
    expect(page.locator("#notices")).to_contain_text("math_plugin 2.0.0 was deleted. 1.0.0 answers now.")


def test_a_deletion_that_fails_is_said_and_nothing_else_changes(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(allowed=("404",))
    page.get_by_role("link", name="Delete math_plugin 1.0.0").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    services.installed[:] = [plugin("other")]
    page.get_by_role("button", name="Delete math_plugin 1.0.0").click()
    notice = page.get_by_role("alert").filter(has_text="math_plugin 1.0.0 is not installed.")
    expect(notice).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    notice.get_by_role("button", name="Dismiss").click()
    expect(notice).to_be_hidden()


def test_the_last_deletion_brings_the_guide_for_a_first_plugin(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("link", name="Delete math_plugin 1.0.0").click()
    page.get_by_role("button", name="Delete math_plugin 1.0.0").click()
    expect(page.get_by_role("heading", name="No plugins yet")).to_be_visible()


def test_a_reload_shows_its_result_plugin_by_plugin(open_page: OpenPage, services: MadeUpServices) -> None:
    plugins = (ReloadedPlugin("math_plugin", "1.0.0", 18.4), ReloadedPlugin("bad", "2.0", error="No module named 'x'"))
    services.reloaded = ReloadView(2, 1, 1, plugins)
    page = open_page()
    page.get_by_role("button", name="Reload plugins").click()
    result = page.locator("#reloaded")
    for words in ("Reloaded 2 plugins:", "1 healthy, 1 failed.", "18 ms", "No module named 'x'"):
        expect(result).to_contain_text(words)
    result.get_by_role("button", name="Dismiss").click()
    expect(result).to_be_empty()


def test_the_list_follows_changes_made_elsewhere_and_keeps_what_was_open_and_focused(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page()
    row = page.locator("#row-math_plugin")
    row.evaluate("row => row.dataset.witness = 'same element'")
    page.get_by_role("checkbox", name="Choose math_plugin").check()
    link = page.get_by_role("link", name="Delete math_plugin 1.0.0")
    link.focus()
    services.installed.append(plugin("elsewhere", "failed", status_words="It could not be started."))
    expect(page.locator("#row-elsewhere")).to_contain_text("It could not be started.")
    expect(row).to_have_attribute("data-witness", "same element")
    expect(page.get_by_role("checkbox", name="Choose math_plugin")).to_be_checked()
    expect(link).to_be_focused()


def test_a_row_that_changes_stays_chosen_and_keeps_the_focus(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    page.get_by_role("checkbox", name="Choose math_plugin").check()
    page.get_by_role("link", name="math_plugin", exact=True).focus()
    services.installed[:] = [plugin(status="asleep")]
    refresh(page)
    expect(page.locator("#row-math_plugin")).to_contain_text("Asleep")
    expect(page.get_by_role("checkbox", name="Choose math_plugin")).to_be_checked()
    expect(page.get_by_role("link", name="math_plugin", exact=True)).to_be_focused()
    expect(page.get_by_text("1 of 1 chosen")).to_be_visible()


def test_what_is_typed_is_searched_for_at_once_and_the_address_follows(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    services.installed[:] = [plugin(), plugin("weather", description="Says how it will be tomorrow.")]
    page = open_page()
    page.get_by_role("searchbox", name="Search by name").press_sequentially("tomorrow")
    expect(page.locator(".listed-row")).to_have_count(1)
    expect(page.locator("#row-weather")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/plugins\?q=tomorrow$"))
    expect(page.get_by_role("searchbox", name="Search by name")).to_be_focused()
    page.reload()
    expect(page.locator(".listed-row")).to_have_count(1)
    page.get_by_role("searchbox", name="Search by name").fill("nothing of the kind")
    expect(page.get_by_text("No plugin fits.")).to_be_visible()
    page.get_by_role("link", name="Show all plugins").click()
    expect(page.locator(".listed-row")).to_have_count(2)


def test_filters_sorting_and_pages_have_addresses_and_back_leads_back(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    services.installed[:] = [plugin(f"plugin_{number:02}") for number in range(30)]
    services.installed.append(plugin("unwell", "failed", status_words="It is broken."))
    page = open_page()
    expect(page.locator(".listed-row")).to_have_count(25)
    page.get_by_role("link", name="Next").click()
    expect(page).to_have_url(re.compile(r"/plugins\?page=2$"))
    expect(page.locator(".listed-row")).to_have_count(6)
    page.get_by_role("link", name="Failed 1").click()
    expect(page).to_have_url(re.compile(r"/plugins\?status=failed$"))
    expect(page.locator(".listed-row")).to_have_count(1)
    page.go_back()
    expect(page).to_have_url(re.compile(r"/plugins\?page=2$"))
    expect(page.locator(".listed-row")).to_have_count(6)
    page.get_by_role("combobox", name="Sort by").select_option("What needs attention")
    expect(page.locator(".listed-row").first).to_have_attribute("id", "row-unwell")
    expect(page).to_have_url(re.compile(r"/plugins\?sort=status$"))


@pytest.mark.parametrize("scripts", [True, False])
def test_chosen_plugins_are_disabled_together(open_page: OpenPage, services: MadeUpServices, scripts: bool) -> None:
    services.installed[:] = [plugin(), plugin("other"), plugin("third")]
    page = open_page(java_script_enabled=scripts)
    page.get_by_role("checkbox", name="Choose math_plugin").check()
    page.get_by_role("checkbox", name="Choose third").check()
    page.get_by_role("button", name="Disable").click()
    result = page.locator("#bulk-result")
    expect(result).to_contain_text("2 plugins disabled.")
    expect(result.get_by_role("listitem")).to_have_text(["math_plugin", "third"])
    assert services.bulk == [(BulkAction.DISABLE, ("math_plugin", "third"))]


@pytest.mark.parametrize("scripts", [True, False])
def test_chosen_plugins_are_deleted_after_a_confirmation_that_names_every_version(
    open_page: OpenPage, services: MadeUpServices, scripts: bool
) -> None:
    both = (version("2.0.0"), version("1.0.0", active=False))
    services.installed[:] = [plugin(version="2.0.0", versions=both), plugin("other"), plugin("stays")]
    page = open_page(java_script_enabled=scripts)
    page.get_by_role("checkbox", name="Choose math_plugin").check()
    page.get_by_role("checkbox", name="Choose other").check()
    page.get_by_role("group", name="Do something").get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog") if scripts else page.get_by_role("main")
    expect(question.get_by_role("heading", name="Delete 2 plugins?")).to_be_visible()
    expect(question.get_by_role("listitem")).to_contain_text(["2.0.0 (answers now), 1.0.0", "other 1.0.0"])
    question.get_by_role("button", name="Delete 3 versions").click()
    expect(page.locator("#bulk-result")).to_contain_text("3 versions deleted.")
    expect(page.locator(".listed-row")).to_have_count(1)
    assert services.bulk == [(BulkAction.DELETE, ("math_plugin 2.0.0", "math_plugin 1.0.0", "other 1.0.0"))]


def test_what_is_chosen_no_more_stays_so_when_another_part_of_the_page_changes(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    services.installed[:] = [plugin(), plugin("other")]
    page = open_page()
    box = page.get_by_role("checkbox", name="Choose other")
    box.check()
    with page.expect_response("**/plugins/list") as answer:
        refresh(page)
    assert answer.value.status == 304
    box.uncheck()
    page.get_by_role("button", name="Reload plugins").click()
    expect(page.locator("#reloaded .reloaded")).to_be_visible()
    expect(box).not_to_be_checked()


@pytest.mark.parametrize("name", ["all", "words"])
def test_a_plugin_that_is_called_as_a_control_of_the_list_is_chosen_alone(
    open_page: OpenPage, services: MadeUpServices, name: str
) -> None:
    services.installed[:] = [plugin(name), plugin("other")]
    page = open_page()
    page.get_by_role("checkbox", name=f"Choose {name}", exact=True).check()
    expect(page.get_by_role("checkbox", name="Choose other")).not_to_be_checked()
    expect(page.get_by_text("1 of 2 chosen")).to_be_visible()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


def test_of_several_plugins_one_that_is_gone_is_said(open_page: OpenPage, services: MadeUpServices) -> None:
    services.installed[:] = [plugin(), plugin("other")]
    page = open_page()
    page.get_by_role("checkbox", name="Choose all on this page").check()
    del services.installed[1]
    page.get_by_role("button", name="Reload", exact=True).click()
    result = page.locator("#bulk-result")
    expect(result).to_contain_text("1 could not be reloaded, 1 was.")
    expect(result).to_contain_text("other is not installed.")


def test_without_a_choice_nothing_is_offered_and_nothing_is_done(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    expect(page.get_by_role("button", name="Disable")).to_be_disabled()
    page = open_page(java_script_enabled=False, allowed=("400",))
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Choose the plugins first.")).to_be_visible()
    assert services.bulk == []


@pytest.mark.parametrize("scripts", [True, False])
def test_the_example_is_installed_by_a_button(open_page: OpenPage, services: MadeUpServices, scripts: bool) -> None:
    services.installed.clear()
    page = open_page(java_script_enabled=scripts)
    page.get_by_role("button", name="Install this example").click()
    expect(page.get_by_role("article")).to_contain_text("greeter 1.0.0 is installed and answers now.")
    assert [view.name for view in services.installed] == ["greeter"]


def test_a_page_that_nobody_looks_at_asks_for_nothing(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    page.clock.install()
    page.reload()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "xhr" else None)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    with page.expect_response("**/plugins/list"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_list_that_did_not_change_is_left_alone(open_page: OpenPage) -> None:
    page = open_page()
    page.evaluate("document.querySelector('#plugin-list').dataset.witness = 'same element'")
    with page.expect_response("**/plugins/list") as answer:
        page.evaluate("htmx.trigger(document.body, 'plugins-changed')")
    assert answer.value.status == 304
    expect(page.locator("#plugin-list")).to_have_attribute("data-witness", "same element")


def test_a_server_that_is_gone_is_said_and_so_is_its_return(open_page: OpenPage) -> None:
    page = open_page(allowed=("ERR_CONNECTION_REFUSED", "htmx:afterRequest", "htmx:sendError"))
    page.route("**/plugins/list", lambda route: route.abort("connectionrefused"))
    page.evaluate("htmx.trigger(document.body, 'plugins-changed')")
    gone = page.get_by_text("The server does not answer.")
    expect(gone).to_be_visible()
    page.unroute("**/plugins/list")
    page.evaluate("htmx.trigger(document.body, 'plugins-changed')")
    expect(gone).to_be_hidden()


def test_an_answer_that_is_not_ours_does_not_replace_the_list(open_page: OpenPage) -> None:
    page = open_page(allowed=("502",))
    page.route("**/plugins/list", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.evaluate("htmx.trigger(document.body, 'plugins-changed')")
    expect(page.get_by_text("The server answered with error 502.")).to_be_visible()
    expect(page.locator(".listed-row")).to_have_count(1)
