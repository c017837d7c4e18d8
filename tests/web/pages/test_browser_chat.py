"""A conversation in a browser: the answer comes piece by piece, by keyboard and without scripts, on any width."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from cadence.chat.values import AgentStarted, Broken, Question, Token
from cadence.errors import ThreadBusy, TooManyTurns
from tests.web.pages.conftest import OpenPage
from tests.web.pages.preview import MadeUpServices
from tests.web.pages.preview_chat import called, graph, step, thread_record, turn_record
from tests.web.pages.test_browser_frame import CONTRAST, Scheme

AT_THE_END = "() => innerHeight + scrollY >= document.documentElement.scrollHeight - 64"


@pytest.fixture
def gates(services: MadeUpServices) -> list[threading.Event]:
    """The turn waits before its call ends, and before the last words of its answer."""
    first, second = threading.Event(), threading.Event()
    begun, ended = called(step())
    begin = AgentStarted("math_plugin", "1.0.0", "add 2 and 3")
    services.play = [begin, begun, first, ended, Token("2 plus 3. "), second, Token("It is <b>5</b>.")]
    return [first, second]


def rewrite_streams(app: Flask, change: Callable[[Iterable[bytes]], Iterator[bytes]]) -> None:
    """Have streams come otherwise than the server means them to."""
    served = app.wsgi_app

    def wsgi(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body: Iterable[bytes] = served(environ, start)
        return change(body) if environ["PATH_INFO"] == "/chat/stream" else body

    setattr(app, "wsgi_app", wsgi)  # noqa: B010  # mypy takes an assignment for one to a method


def write(page: Page, words: str) -> None:
    page.get_by_label("Message").fill(words)
    page.get_by_label("Message").press("Enter")


def test_an_answer_comes_piece_by_piece_with_its_steps(open_page: OpenPage, gates: list[threading.Event]) -> None:
    page = open_page("/chat")
    message = page.get_by_label("Message")
    expect(message).to_be_focused()
    write(page, "add 2 and 3")
    turn = page.get_by_role("article", name="Turn 1")
    expect(turn.locator(".step")).to_have_attribute("data-kind", "running")
    expect(turn).to_contain_text("math_plugin 1.0.0 is at work")
    expect(message).to_have_value("")
    expect(page).to_have_url(re.compile("/chat/t1$"))
    expect(page).to_have_title("add 2 and 3 · Cadence")
    expect(page.get_by_role("heading", level=1)).to_have_text("add 2 and 3")
    expect(page.get_by_role("link", name="add 2 and 3", exact=False).first).to_have_attribute("aria-current", "page")
    turn.locator(".step summary").click()
    gates[0].set()
    expect(turn.locator(".step")).to_have_attribute("data-kind", "done")
    expect(turn.get_by_label("Result")).to_have_text("5")
    expect(turn.locator(".step summary")).to_be_focused()
    expect(turn.locator(".answer")).to_have_text("2 plus 3.")
    expect(turn.locator(".answer")).to_have_attribute("aria-busy", "true")
    gates[1].set()
    expect(turn.locator(".answer")).to_have_text("2 plus 3. It is <b>5</b>.")
    expect(turn).to_have_attribute("data-state", "answered")
    expect(turn.get_by_label("Result")).to_be_visible()
    expect(page.locator("#chat-said p")).to_have_text(["2 plus 3.", "It is <b>5</b>."])
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_a_stream_may_be_cut_anywhere(open_page: OpenPage, services: MadeUpServices, app: Flask) -> None:
    def cut(body: Iterable[bytes]) -> Iterator[bytes]:
        """In the middle of a line, of its end, of a letter."""
        for chunk in body:
            crlf = chunk.replace(b"\n", b"\r\n")
            yield from (crlf[place : place + 1] for place in range(len(crlf)))

    rewrite_streams(app, cut)
    services.play = [*called(step(result="naïve 漢字 🎼")), Token("Zoë\n\n"), Token("漢字 🎼 & <i>")]
    page = open_page("/chat")
    write(page, "häß 🎼")
    turn = page.get_by_role("article", name="Turn 1")
    expect(turn).to_have_attribute("data-state", "answered")
    assert turn.locator(".answer").text_content() == "Zoë\n\n漢字 🎼 & <i>"
    expect(turn.locator(".message-text")).to_have_text("häß 🎼")
    expect(turn.locator(".step-json").last).to_have_text('"naïve 漢字 🎼"')


def test_a_turn_is_stopped_and_asked_again_by_keyboard(
    open_page: OpenPage, services: MadeUpServices, gates: list[threading.Event]
) -> None:
    page = open_page("/chat")
    write(page, "add 2 and 3")
    turn = page.get_by_role("article", name="Turn 1")
    expect(turn.locator(".step")).to_be_visible()
    page.get_by_role("button", name="Stop").press("Enter")
    expect(turn).to_contain_text("Stopped.")
    expect(turn).to_contain_text("The turn was stopped.")
    expect(page.get_by_label("Message")).to_be_focused()
    expect(page.locator("#chat-said")).to_contain_text("The turn was stopped.")
    for gate in gates:
        gate.set()
    turn.get_by_role("button", name="Try again").press("Enter")
    expect(page.get_by_role("article", name="Turn 2")).to_have_attribute("data-state", "answered")
    expect(turn.get_by_role("button", name="Try again")).to_be_hidden()
    assert services.questions == [Question("add 2 and 3"), Question("add 2 and 3", "t1")]


def test_a_failure_is_told_in_words_and_can_be_tried_again(open_page: OpenPage, services: MadeUpServices) -> None:
    good = services.play
    services.play = [Broken(502, "Model failed", "The provider answered with error 500.")]
    page = open_page("/chat")
    write(page, "add 2 and 3")
    turn = page.get_by_role("article", name="Turn 1")
    expect(turn).to_contain_text("No answer. The provider answered with error 500.")
    expect(page.locator("#chat-said")).to_contain_text("The provider answered with error 500.")
    services.play = good
    turn.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("article", name="Turn 2").locator(".answer")).to_have_text("2 plus 3 is 5.")


def test_enter_sends_and_with_shift_begins_a_line(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page("/chat")
    message = page.get_by_label("Message")
    message.press("Enter")
    height = message.evaluate("one => one.clientHeight")
    message.press_sequentially("one")
    message.press("Shift+Enter")
    message.press("Shift+Enter")
    message.press_sequentially("three")
    assert message.evaluate("one => one.clientHeight") > height
    message.press("Enter")
    expect(page.get_by_role("article", name="Turn 1")).to_have_attribute("data-state", "answered")
    assert [one.message for one in services.questions] == ["one\n\nthree"]


def test_a_server_with_too_much_to_do_is_asked_again(open_page: OpenPage, services: MadeUpServices) -> None:
    services.refusals = [TooManyTurns("8 conversations answer."), TooManyTurns("8 conversations answer.")]
    page = open_page("/chat", allowed=("429",))
    page.clock.install()
    write(page, "add 2 and 3")
    for tries in ("2. of 5", "3. of 5"):
        expect(page.locator("#chat-waits")).to_contain_text(f"asked again in 2 seconds, for the {tries} times")
        page.clock.run_for(2000)
    expect(page.get_by_role("article", name="Turn 1")).to_be_attached()
    expect(page.locator("#chat-waits")).to_be_hidden()
    assert len(services.questions) == 3


def test_what_is_refused_is_told_and_given_back(open_page: OpenPage, services: MadeUpServices) -> None:
    services.keep(thread_record(), turn_record())
    services.refusals = [ThreadBusy("It still answers another message.")]
    page = open_page("/chat/t1", allowed=("409",))
    write(page, "and 4?")
    expect(page.get_by_role("alert").filter(has_text="still answers")).to_be_visible()
    expect(page.get_by_label("Message")).to_have_value("and 4?")
    page.get_by_label("Message").press("Enter")
    expect(page.get_by_role("article", name="Turn 2")).to_have_attribute("data-state", "answered")
    expect(page.get_by_role("alert").filter(has_text="still answers")).to_have_count(0)


def test_where_the_stream_breaks_the_thread_is_shown_as_it_is(
    open_page: OpenPage, services: MadeUpServices, app: Flask
) -> None:
    def broken(body: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in body:
            if chunk.startswith(b"event: end"):
                return
            yield chunk

    rewrite_streams(app, broken)
    page = open_page("/chat")
    write(page, "add 2 and 3")
    turn = page.get_by_role("article", name="Turn 1")
    expect(turn).to_have_attribute("data-state", "answered")
    expect(turn.locator(".answer")).to_have_text("2 plus 3 is 5.")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    assert len(services.questions) == 1


def test_the_page_follows_the_answer_until_the_reader_scrolls_up(open_page: OpenPage, services: MadeUpServices) -> None:
    gate = threading.Event()
    lines = [Token(f"line {number}\n") for number in range(60)]
    services.keep(thread_record(), *(turn_record(number) for number in range(1, 9)))
    services.play = [*lines, gate, *lines, Token("the end")]
    page = open_page("/chat/t1", viewport={"width": 900, "height": 600})
    page.wait_for_function(AT_THE_END)
    write(page, "tell me")
    turn = page.get_by_role("article", name="Turn 9")
    expect(turn.locator(".answer")).to_contain_text("line 59")
    page.wait_for_function(AT_THE_END)
    page.evaluate("scrollTo({ top: 100, behavior: 'instant' })")
    gate.set()
    expect(turn).to_have_attribute("data-state", "answered")
    assert page.evaluate("scrollY") == 100


def test_which_plugins_may_answer_is_chosen_and_taken_back(open_page: OpenPage, services: MadeUpServices) -> None:
    page = open_page("/plugins/math_plugin")
    page.get_by_role("link", name="Try in chat").click()
    chips = page.get_by_role("list", name="Only these plugins may answer")
    expect(chips).to_contain_text("math_plugin")
    write(page, "add 2 and 3")
    expect(page.get_by_role("article", name="Turn 1")).to_have_attribute("data-state", "answered")
    page.get_by_role("link", name="Do not limit the conversation to math_plugin").click()
    expect(page.locator(".chip:visible")).to_have_count(0)
    write(page, "and 4?")
    expect(page.get_by_role("article", name="Turn 2")).to_have_attribute("data-state", "answered")
    page.get_by_text("Choose plugins").click()
    page.get_by_label("math_plugin 1.0.0").check()
    expect(page.locator(".chip:visible")).to_contain_text("math_plugin")
    write(page, "and 5?")
    expect(page.get_by_role("article", name="Turn 3")).to_have_attribute("data-state", "answered")
    assert [one.plugins for one in services.questions] == [("math_plugin",), None, ("math_plugin",)]


def test_a_turn_of_another_page_is_followed(open_page: OpenPage, services: MadeUpServices) -> None:
    services.keep(thread_record(state="running"), turn_record(state="running", response="As far"))
    page = open_page("/chat/t1")
    turn = page.get_by_role("article", name="Turn 1")
    expect(turn.locator(".answer")).to_have_text("As far")
    services.keep(thread_record(), turn_record())
    expect(turn.locator(".answer")).to_have_text("2 plus 3 is 5.")


def test_a_conversation_is_deleted_from_the_list(open_page: OpenPage, services: MadeUpServices) -> None:
    services.keep(thread_record("t1", "First"), turn_record())
    services.keep(thread_record("t2", "Second"), turn_record())
    page = open_page("/chat/t1")
    page.get_by_role("link", name="Delete the conversation Second").press("Enter")
    page.get_by_role("dialog", name="Delete this conversation?").get_by_role(
        "button", name="Delete the conversation"
    ).click()
    expect(page.locator("#notices")).to_contain_text("The conversation was deleted.")
    expect(page.locator(".thread")).to_have_count(1)
    page.locator("#chat-delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the conversation").click()
    expect(page).to_have_url(re.compile("/chat$"))
    expect(page.get_by_text("None yet.")).to_be_visible()
    assert services.chats == {}


def test_without_scripts_it_is_asked_tried_again_and_deleted_with_forms(
    open_page: OpenPage, services: MadeUpServices
) -> None:
    page = open_page("/chat", java_script_enabled=False)
    good = services.play
    services.play = [Broken(502, "Model failed", "It broke.")]
    page.get_by_label("Message").fill("add 2 and 3")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article", name="Turn 1")).to_contain_text("It broke.")
    services.play = good
    page.get_by_role("button", name="Try again").click()
    turn = page.get_by_role("article", name="Turn 2")
    expect(turn).to_contain_text("2 plus 3 is 5.")
    turn.locator("summary").click()
    expect(turn.get_by_label("Result")).to_have_text("5")
    page.locator("#chat-delete").click()
    page.get_by_role("button", name="Delete the conversation").click()
    expect(page.get_by_text("The conversation was deleted.")).to_be_visible()
    page.get_by_role("button", name="Which tools are there?").click()
    expect(page.locator(".message-text")).to_have_text("/tools")


@pytest.fixture
def crowd(services: MadeUpServices) -> None:
    """A thread with everything a thread can have, as long as it gets."""
    long = "a_name_that_goes_on_and_on_and_on_and_on_and_on_and_on_until_it_ends"
    steps = (
        step(result={"rows": ["x" * 400] * 80}),
        step("divide", result=None, error="Division by zero has no result"),
        step(long, agent=long, plugin_version="1.0.0+a.long.local.version.of.many.words"),
    )
    services.keep(
        thread_record(title=f"{long} {long}"),
        turn_record(1, "x" * 300, response="y" * 300, steps=steps, limit="A limit.", plugins=("math_plugin",)),
        turn_record(2, "why?\n\nwhy?", state="interrupted", response="As far", notices=(f"{long} is gone.",)),
        turn_record(3, "more", state="stopped", response=""),
        turn_record(4, "again", state="failed", error="The provider answered with error 500."),
    )
    services.keep(thread_record("t2", "Another", state="running"), turn_record())
    services.drawn = graph("math_plugin", long, *(f"plugin_{number}" for number in range(30)), left_out=3)


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_makes_a_conversation_wider_than_the_window(open_page: OpenPage, width: int) -> None:
    page = open_page("/chat/t1", viewport={"width": width, "height": 800})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.locator(".step-json").nth(1).bounding_box()
    assert box
    assert box["height"] <= 321
    page.goto(page.url.replace("/chat/t1", "/chat"))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.goto(page.url.replace("/chat", "/system"))
    expect(page.locator(".graph-words")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_of_a_conversation_can_be_read(open_page: OpenPage, scheme: Scheme) -> None:
    page = open_page("/chat/t1", color_scheme=scheme, reduced_motion="reduce")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate(CONTRAST) == []
    page.goto(page.url.replace("/t1", "?plugin=gone"))
    assert page.evaluate(CONTRAST) == []


@pytest.mark.usefixtures("crowd")
def test_the_list_of_conversations_is_open_where_there_is_room_and_folded_on_a_phone(open_page: OpenPage) -> None:
    wide = open_page("/chat/t1", viewport={"width": 1280, "height": 800})
    expect(wide.locator(".thread-link").first).to_be_visible()
    phone = open_page("/chat/t1", viewport={"width": 360, "height": 700})
    expect(phone.locator(".thread-link").first).to_be_hidden()
    phone.locator(".chat-threads > summary").click()
    expect(phone.locator(".thread-link").first).to_be_visible()
    phone.get_by_role("link", name="Another").first.click()
    expect(phone).to_have_url(re.compile("/chat/t2$"))
