"""Checking, cancelling and following the log in a browser."""

import re

import msgspec
import pytest
from playwright.sync_api import Page, expect

from cadence.model import CheckOptions, InstallState, StageRecord
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices, over, shown_install
from tests.web.pages.test_browser_upload import choose, file, send

AT_ITS_END = """() => {
  const log = document.querySelector(".log-lines");
  return log.scrollHeight > log.clientHeight && log.scrollHeight - log.scrollTop - log.clientHeight < 2;
}"""


@pytest.fixture
def following(open_page: OpenPage, services: MadeUpServices) -> Page:
    """A page with a running install whose log is open, and longer than there is room."""
    services.said = [f"line {number}" for number in range(60)]
    page = open_page()
    choose(page, file("stuck-1.0.zip"))
    send(page)
    page.locator("#installs .log summary").click()
    expect(page.get_by_role("log")).to_contain_text("line 59")
    return page


def count(services: MadeUpServices, done: int) -> None:
    """Have the row change as it does while something is counted."""
    record = services.records["0001"]
    stages = (*record.stages[:-1], StageRecord(record.stages[-1].stage, None, done, 12))
    services.records["0001"] = msgspec.structs.replace(record, stages=stages)


def test_a_check_tells_what_an_upload_would_add_and_the_file_stays_chosen(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page()
    choose(page, file("new_plugin-2.0.0.zip"))
    page.get_by_role("button", name="Check only").click()
    row = page.get_by_role("article", name="Check of new_plugin-2.0.0.zip")
    expect(row).to_contain_text("It brings 2 packages. Nothing was installed.")
    expect(row.get_by_text("numpy 2.1.0")).to_be_visible()
    expect(row.locator(".stages li")).to_have_count(6)
    expect(page.locator("#announcer")).to_contain_text("new_plugin 2.0.0 is valid")
    expect(page.get_by_role("article", name="new_plugin 2.0.0", exact=True)).to_have_count(0)
    send(page)
    expect(page.locator("#installs")).to_contain_text("new_plugin 2.0.0 is installed and answers now.")
    assert [isinstance(one, CheckOptions) for one in services.options] == [True, False]


def test_the_options_are_sent(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    choose(page, file("a-1.0.zip"))
    page.get_by_text("More options").click()
    page.get_by_label("Resolve dependencies anew").check()
    page.get_by_label("Check by a trial too").check()
    page.get_by_role("button", name="Check only").click()
    expect(page.locator("#installs")).to_contain_text("a 1.0 is valid")
    assert services.options == [CheckOptions(upgrade=True, trial=True)]


def test_a_check_without_scripts_ends_on_the_page_of_its_result(open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False)
    page.get_by_label("Choose plugin archives").set_input_files(file("a-1.0.zip"))
    page.get_by_role("button", name="Check only").click()
    expect(page).to_have_url(re.compile("/installs/0001$"))
    expect(page.get_by_text("a 1.0 is valid, as far")).to_be_visible(timeout=30_000)


def test_an_install_without_scripts_is_cancelled_on_its_page(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(java_script_enabled=False)
    page.get_by_label("Choose plugin archives").set_input_files(file("stuck-1.0.zip"))
    page.get_by_role("button", name="Upload Plugin").click()
    page.get_by_role("button", name="Cancel the install of stuck-1.0.zip").click()
    expect(page.get_by_text("The install was cancelled. Nothing was changed.")).to_be_visible()
    assert services.records["0001"].state is InstallState.CANCELLED


def test_a_running_install_is_cancelled_by_keyboard_and_the_focus_stays_with_it(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page()
    choose(page, file("stuck-1.0.zip"))
    send(page)
    button = page.get_by_role("button", name="Cancel the install of stuck-1.0.zip")
    button.focus()
    count(services, 3)
    expect(page.locator("#installs")).to_contain_text("3 of 12 packages")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    # First, for it is taken away after a while.
    expect(page.locator("#announcer")).to_contain_text("The install was cancelled.")
    row = page.get_by_role("article", name="Install of stuck-1.0.zip")
    expect(row).to_contain_text("The install was cancelled. Nothing was changed.")
    expect(row.locator("summary").first).to_be_focused()


def test_a_log_that_is_read_at_its_end_is_followed(following: Page, services: MadeUpServices) -> None:
    following.wait_for_function(AT_ITS_END)
    services.said += [f"line {number}" for number in range(60, 90)]
    expect(following.get_by_role("log")).to_contain_text("line 89")
    following.wait_for_function(AT_ITS_END)
    count(services, 3)
    expect(following.locator("#installs")).to_contain_text("3 of 12 packages")
    following.wait_for_function(AT_ITS_END)


def test_a_log_stays_open_when_other_rows_come_and_its_own_is_as_it_was(
    following: Page, services: MadeUpServices
) -> None:
    log = following.get_by_role("log")
    log.evaluate("(element) => { element.scrollTop = 40; }")
    log.focus()
    for number in range(2):
        services.shown.append(shown_install(id=f"other{number}", filename=f"other-1.{number}.zip"))
        expect(following.locator(f"#install-other{number}")).to_be_visible()
        expect(log.get_by_text("line 59")).to_have_count(1)
        expect(log).to_be_focused()
        assert log.evaluate("(element) => element.scrollTop") == 40
    services.said += ["line 60"]
    expect(log).to_contain_text("line 60")


def test_a_log_that_is_read_elsewhere_stays_where_it_is_and_open(following: Page, services: MadeUpServices) -> None:
    log = following.get_by_role("log")
    log.evaluate("(element) => { element.scrollTop = 40; }")
    services.said += ["line 60"]
    expect(log).to_contain_text("line 60")
    assert log.evaluate("(element) => element.scrollTop") == 40
    count(services, 3)
    expect(following.locator("#installs")).to_contain_text("3 of 12 packages")
    assert log.evaluate("(element) => element.scrollTop") == 40
    count(services, 4)
    log.focus()
    expect(following.locator("#installs")).to_contain_text("4 of 12 packages")
    expect(log).to_be_focused()
    expect(log.get_by_text("line 59")).to_have_count(1)


def test_the_log_goes_on_to_its_last_line_and_stays_open_after_the_end(
    following: Page, services: MadeUpServices
) -> None:
    log = following.get_by_role("log")
    services.said += ["the last"]
    record = services.records["0001"]
    services.records["0001"] = over(record, record.stages, InstallState.FAILED, {"success": False, "message": "No"})
    expect(following.locator("#installs .install")).to_have_attribute("data-state", "failed")
    expect(log.get_by_text("the last")).to_be_visible()
    expect(following.locator("#installs [hx-get]")).to_have_count(0)


def test_a_log_is_asked_for_only_when_it_is_opened(open_page: OpenPage, services: MadeUpServices) -> None:
    services.said = ["said"]
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/log" in request.url else None)
    choose(page, file("a-1.0.zip"))
    send(page)
    expect(page.locator("#installs")).to_contain_text("a 1.0 is installed and answers now.")
    assert asked == []
    page.locator("#installs .log summary").click()
    expect(page.get_by_role("log")).to_have_text("said")
    assert len(asked) == 1


def test_the_page_of_an_install_follows_its_log(open_page: OpenPage, services: MadeUpServices) -> None:
    services.said = ["one"]
    page = open_page()
    choose(page, file("stuck-1.0.zip"))
    send(page)
    page.get_by_role("link", name="Link to this install").click()
    log = page.get_by_role("log", name="Log of stuck-1.0.zip")
    expect(log).to_contain_text("one")
    services.said.append("two")
    expect(log).to_contain_text("two")
