"""Uploading in a browser: choosing, dropping, watching, and every way in which it goes wrong."""

import re
from collections.abc import Sequence

from playwright.sync_api import FilePayload, Page, Route, expect

from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MAX_UPLOAD_BYTES, MadeUpServices

DROP = """([files]) => {
  const transfer = new DataTransfer();
  for (const [name, size] of files) transfer.items.add(new File([new Uint8Array(size)], name));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.querySelector(".drop").dispatchEvent(
      new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  }
}"""


def file(name: str, size_bytes: int = 64) -> FilePayload:
    return {"name": name, "mimeType": "application/zip", "buffer": b"x" * size_bytes}


def choose(page: Page, *files: FilePayload) -> None:
    page.get_by_label("Drop plugin archives here").set_input_files(list(files))


def drop(page: Page, files: Sequence[tuple[str, int]]) -> None:
    page.evaluate(DROP, [list(files)])


def send(page: Page) -> None:
    page.get_by_role("button", name="Upload Plugin").click()


def test_a_chosen_file_is_installed_and_the_list_shows_it_by_itself(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, file("new_plugin-2.0.0.zip"))
    expect(page.get_by_role("list", name="Files to upload")).to_contain_text("new_plugin-2.0.0.zip")
    send(page)
    row = page.locator(".installs .install")
    expect(row).to_contain_text("new_plugin 2.0.0 is installed and answers now.")
    expect(row.locator(".stages [data-state=done]")).to_have_count(8)
    expect(row).to_contain_text("1.8 s")
    expect(page.locator("#row-new_plugin")).to_contain_text("Answering")
    expect(page.locator("#announcer")).to_contain_text("new_plugin 2.0.0 is installed")


def test_a_dropped_file_is_installed(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    drop(page, [("dropped-1.0.zip", 9)])
    expect(page.get_by_role("list", name="Files to upload")).to_contain_text("9 bytes")
    expect(page.locator("body")).not_to_have_class("dragging")
    send(page)
    expect(page.locator(".installs")).to_contain_text("dropped 1.0 is installed and answers now.")
    assert [record.filename for record in services.records.values()] == ["dropped-1.0.zip"]


def test_several_files_are_installed_side_by_side_and_one_failure_stays_one(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, file("a-1.0.zip"), file("broken-1.0.0.zip"))
    drop(page, [("odd-1.0.zip", 5)])
    send(page)
    rows = page.locator(".installs .install")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="a-1.0.zip")).to_contain_text("a 1.0 is installed")
    expect(rows.filter(has_text="odd-1.0.zip")).to_contain_text("2 warnings.")
    broken = rows.filter(has_text="broken-1.0.0.zip")
    expect(broken).to_contain_text("3 faults. Plugin validation failed. Nothing was changed.")
    for words in ("Missing required file: tools.py", "agent.py:12", "The version in the metadata is 1.2.0"):
        expect(broken.get_by_text(words)).to_be_visible()


def test_force_overwrite_replaces_what_was_refused(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    choose(page, file("twice-1.0.zip"))
    send(page)
    expect(page.locator(".installs")).to_contain_text("Plugin already exists")
    expect(page.locator(".installs")).to_contain_text("check Force overwrite and upload it again")
    choose(page, file("twice-1.0.zip"))
    page.get_by_label("Force overwrite").check()
    send(page)
    expect(page.locator(".installs")).to_contain_text("twice 1.0 is installed")
    assert services.options[-1].force_overwrite


def test_what_cannot_be_installed_is_said_before_a_byte_is_sent(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    choose(page, file("notes.txt"), file("huge-1.0.zip", MAX_UPLOAD_BYTES + 1), file("hollow-1.0.zip", 0))
    chosen = page.get_by_role("list", name="Files to upload")
    expect(chosen).to_contain_text("Not a .zip file.")
    expect(chosen).to_contain_text("Too large: the server takes up to 256 KB.")
    expect(chosen).to_contain_text("The file is empty.")
    send(page)
    expect(page.get_by_role("alert").filter(has_text="None of these files can be uploaded.")).to_be_visible()
    assert posted == []


def test_a_chosen_file_can_be_taken_back_by_keyboard(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, file("a-1.0.zip"), file("b-1.0.zip"))
    page.get_by_role("button", name="Remove a-1.0.zip").press("Enter")
    expect(page.get_by_role("button", name="Remove b-1.0.zip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#file")).to_be_focused()
    expect(page.locator("#chosen")).to_be_hidden()


def test_the_same_file_is_not_chosen_twice(open_page: OpenPage) -> None:
    page = open_page()
    page.evaluate("window.twin = new File(['x'], 'a-1.0.zip', { lastModified: 1 })")
    for _ in range(2):
        page.evaluate("""() => {
          const transfer = new DataTransfer();
          transfer.items.add(window.twin);
          window.dispatchEvent(new DragEvent("drop", { cancelable: true, dataTransfer: transfer }));
        }""")
    expect(page.locator("#chosen li")).to_have_count(1)


def test_an_upload_can_be_cancelled_on_its_way_and_tried_again(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page(allowed=("ERR_FAILED",))
    held: list[Route] = []
    page.route("**/plugins/upload", lambda route: held.append(route))
    choose(page, file("slow-1.0.zip"))
    send(page)
    row = page.locator(".installs .install")
    expect(row.get_by_role("progressbar")).to_be_attached()
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Cancelled. Nothing was installed.")
    assert not services.records
    page.unroute("**/plugins/upload")
    row.get_by_role("button", name="Try again").click()
    expect(row).to_contain_text("slow 1.0 is installed")


def test_a_waiting_upload_can_be_cancelled_without_touching_the_others(open_page: OpenPage) -> None:
    page = open_page(allowed=("ERR_FAILED",))
    held: list[Route] = []
    page.route("**/plugins/upload", lambda route: held.append(route))
    choose(page, file("a-1.0.zip"), file("b-1.0.zip"), file("c-1.0.zip"))
    send(page)
    waiting = page.locator(".installs .install").filter(has_text="c-1.0.zip")
    expect(waiting).to_contain_text("Waiting for its turn")
    waiting.get_by_role("button", name="Cancel").click()
    expect(waiting).to_contain_text("Cancelled. Nothing was sent.")
    for route in held:
        route.continue_()
    for name in ("a", "b"):
        expect(page.locator(".installs")).to_contain_text(f"{name} 1.0 is installed")


def test_a_broken_connection_is_said_in_words(open_page: OpenPage) -> None:
    page = open_page(allowed=("ERR_CONNECTION_RESET",))
    page.route("**/plugins/upload", lambda route: route.abort("connectionreset"))
    choose(page, file("a-1.0.zip"))
    send(page)
    expect(page.locator(".installs")).to_contain_text("The connection broke before the server answered.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_refusal_by_the_server_stands_where_the_progress_stood(open_page: OpenPage) -> None:
    page = open_page(allowed=("413",))
    page.evaluate("document.querySelector('#upload-form').dataset.maxBytes = 1e9")
    choose(page, file("huge-1.0.zip", MAX_UPLOAD_BYTES + 1))
    send(page)
    row = page.locator(".installs .install")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("huge-1.0.zip")
    expect(row).to_contain_text("Upload too large")


def test_an_error_that_is_not_one_of_our_pages_is_said_too(open_page: OpenPage) -> None:
    page = open_page(allowed=("502",))
    page.route("**/plugins/upload", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    choose(page, file("a-1.0.zip"))
    send(page)
    expect(page.locator(".installs")).to_contain_text("The server refused the file (error 502).")


def test_the_upload_can_be_done_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page()
    page.on("filechooser", lambda chooser: chooser.set_files([file("keys-1.0.zip")]))
    page.locator("#file").press("Enter")
    expect(page.locator("#chosen")).to_contain_text("keys-1.0.zip")
    for _ in range(2):  # past the button that takes the file back, to the check box
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("Force overwrite")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".installs")).to_contain_text("keys 1.0 is installed")


def test_without_a_file_the_form_says_what_is_missing(open_page: OpenPage) -> None:
    page = open_page()
    page.evaluate("document.querySelector('#file').required = false")
    send(page)
    expect(page.get_by_text("Choose a plugin archive first.")).to_be_visible()


def test_an_install_that_runs_is_followed_on_a_page_that_is_opened_later(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page()
    choose(page, file("stuck-1.0.zip"))
    send(page)
    expect(page.locator("#installs [data-state=running]").first).to_be_visible()
    later = open_page()
    row = later.locator(".installs .install")
    expect(row).to_contain_text("Receiving the file")
    record = services.records["0001"]
    services.records["0001"] = type(record)(
        record.id, "free-1.0.zip", record.state, record.created_at, "free", "1.0", record.stages
    )
    expect(row).to_contain_text("free 1.0 is installed")


def test_an_install_the_server_forgot_is_not_asked_for_for_ever(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page()
    choose(page, file("stuck-1.0.zip"))
    send(page)
    expect(page.locator(".installs")).to_contain_text("Receiving the file")
    services.records.clear()
    expect(page.locator(".installs")).to_contain_text("does not know this install any more")
    expect(page.locator("#installs [hx-get]")).to_have_count(0)


def test_the_page_of_an_install_follows_it_to_its_end(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, file("broken-1.0.0.zip"))
    send(page)
    page.get_by_role("link", name="Link to this install").click()
    expect(page).to_have_url(re.compile("/installs/0001$"))
    expect(page.get_by_text("MathAgent does not derive from BaseAgent.", exact=True)).to_be_visible()
