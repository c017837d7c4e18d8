"""The page of a plugin: which version answers, its health and history, and what an operator can do about them."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence.errors import NotFound, ValidationFailed, WorkerEnded
from cadence.history import ActivationCause, CheckKind, EventKind
from cadence.model import ExampleResult, Fault, PluginRef, ToolSpec
from cadence.web.present import STATUS_LABELS, HealthView, LastCheck, PluginStatus
from tests.web.pages.preview import MadeUpServices, plugin, version
from tests.web.pages.preview_versions import activated, ago, check, happened

HTMX = {"HX-Request": "true"}
PAGE = "/plugins/math_plugin"
VERSIONS, HEALTH, HISTORY = (f"{PAGE}/{section}" for section in ("versions", "health", "history"))
MARKUP = "<script>alert(1)</script>"
REASON = "its worker ended 3 times: killed by signal 9"


@pytest.fixture
def services() -> MadeUpServices:
    """A plugin in three versions: the highest was taken back, the one below answers."""
    versions = (version("2.0.0", active=False, quarantine=REASON), version("1.1.0"), version("1.0.0", active=False))
    return MadeUpServices([plugin(version="1.1.0", versions=versions, rollback_version="1.0.0")])


def token(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/system").text + client.get(VERSIONS).text)
    assert found
    return found.group(1)


def send(client: FlaskClient, action: str, fields: dict[str, str] | None = None, *, htmx: bool = False) -> TestResponse:
    """Send a form of the page, by default as one that shows 1.1.0 as active, and neither pinned nor disabled."""
    data = {"csrf_token": token(client), "shown": "1.1.0", "pinned": "no", "disabled": "no", **(fields or {})}
    return client.post(f"{PAGE}/{action}", data=data, headers=HTMX if htmx else {})


ACTIONS = [
    ("activate", {"version": "1.0.0"}, "activate 1.0.0", "1.0.0 answers now"),
    ("activate", {"version": "2.0.0"}, "activate 2.0.0", "2.0.0 answers now"),
    ("rollback", {"version": "1.0.0"}, "roll back to 1.0.0", "1.0.0 answers now"),
    ("pin", {}, "pin", "1.1.0 is pinned"),
    ("disable", {}, "disable", "math_plugin is disabled"),
]


@pytest.mark.parametrize(("action", "fields", "done", "words"), ACTIONS)
def test_a_plain_form_does_it_and_leads_back_to_where_it_was_asked(
    client: FlaskClient, services: MadeUpServices, action: str, fields: dict[str, str], done: str, words: str
) -> None:
    answer = send(client, action, fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, VERSIONS)
    assert services.done == [done]
    assert words in client.get(VERSIONS).text


@pytest.mark.parametrize(("action", "fields", "done", "words"), ACTIONS)
def test_htmx_gets_the_part_that_changed_with_what_was_done_in_it(
    client: FlaskClient, services: MadeUpServices, action: str, fields: dict[str, str], done: str, words: str
) -> None:
    answer = send(client, action, fields, htmx=True)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div id="standing"')
    assert services.done == [done]
    assert "data-focus" in said(answer)
    assert words in said(answer)


def said(answer: TestResponse) -> str:
    """What stands in the section of an action about it, with its markup."""
    found = re.search(r'<(p|div) class="(saved|reason)"[^>]*data-focus.*?</\1>', answer.text, re.DOTALL)
    assert found, answer.text
    return found.group()


@pytest.mark.parametrize("htmx", [True, False])
def test_what_is_pinned_or_disabled_can_be_let_go(client: FlaskClient, services: MadeUpServices, htmx: bool) -> None:
    services.change("math_plugin", pinned=True, disabled=True, status="disabled")
    send(client, "unpin", {"pinned": "yes", "disabled": "yes"}, htmx=htmx)
    send(client, "enable", {"disabled": "yes"}, htmx=htmx)
    assert services.done == ["unpin", "enable"]
    assert not services.plugin("math_plugin").pinned


@pytest.mark.parametrize("htmx", [True, False])
def test_a_refusal_stands_where_the_action_was_asked_for(
    client: FlaskClient, services: MadeUpServices, htmx: bool
) -> None:
    faults = [Fault("trial", "import", f"It does not load: {MARKUP}"), Fault("trial", "tools", "It has no tools.")]
    services.refuses = ValidationFailed(faults=faults)
    answer = send(client, "activate", {"version": "1.0.0"}, htmx=htmx)
    assert answer.status_code == 422
    for words in ("Plugin validation failed.", "It does not load: &lt;script&gt;", "It has no tools."):
        assert words in said(answer)
    assert answer.text.index('id="versions"') < answer.text.index("It has no tools.")
    assert answer.headers.get("HX-Retarget") == ("#standing" if htmx else None)
    assert ("<html" in answer.text) is not htmx


FORMS = [("activate", "1.0.0"), ("rollback", "1.0.0"), ("pin", ""), ("disable", "")]


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize(("action", "about"), FORMS)
def test_of_two_operators_the_second_is_told_what_changed_and_nothing_is_done(
    client: FlaskClient, services: MadeUpServices, action: str, about: str, htmx: bool
) -> None:
    services.switch("math_plugin", "1.0.0")
    answer = send(client, action, {"version": about}, htmx=htmx)
    assert answer.status_code == 409
    assert "math_plugin changed since you looked: 1.0.0 is active now." in said(answer)
    assert services.done == []


def test_the_second_operator_is_told_too_when_nothing_is_active_any_more(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.switch("math_plugin", None)
    assert "no version of it is active now" in said(send(client, "activate", {"version": "1.0.0"}))
    assert send(client, "activate", {"shown": "", "version": "1.0.0"}).status_code == 303


@pytest.mark.parametrize(("target", "words"), [("0.9.0", "lead to 0.9.0"), (None, "leave no version to answer")])
def test_a_roll_back_goes_where_its_button_said_or_nowhere(
    client: FlaskClient, services: MadeUpServices, target: str | None, words: str
) -> None:
    services.change("math_plugin", rollback_version=target)
    answer = send(client, "rollback", {"version": "1.0.0"})
    assert answer.status_code == 409
    assert f"a roll back would {words} now." in said(answer)
    assert services.done == []


@pytest.mark.parametrize(
    ("action", "present", "words"),
    [
        ("pin", {"pinned": True}, "it is pinned now"),
        ("unpin", {}, "it is not pinned now"),
        ("disable", {"disabled": True}, "it is disabled now"),
        ("enable", {}, "it is enabled now"),
        ("activate", {"pinned": True, "disabled": True}, "it is pinned, and it is disabled now"),
    ],
)
def test_what_another_operator_did_already_is_said(
    client: FlaskClient, services: MadeUpServices, action: str, present: dict[str, bool], words: str
) -> None:
    services.change("math_plugin", **present)
    shown = {"pinned": "yes" if action == "unpin" else "no", "disabled": "yes" if action == "enable" else "no"}
    answer = send(client, action, {"version": "1.0.0", **shown})
    assert answer.status_code == 409
    assert words in said(answer)
    assert services.done == []


def test_every_form_says_what_stood_on_the_page_and_which_install_it_is_about(
    client: FlaskClient, services: MadeUpServices
) -> None:
    versions = (version("1.1.0", install_id="of-1.1"), version("1.0.0", active=False, install_id="of-1.0"))
    services.change("math_plugin", versions=versions, pinned=True)
    forms = re.findall(r'<form class="decision".*?</form>', client.get(VERSIONS).text, re.DOTALL)
    fields = [dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)) for form in forms]
    assert len(fields) == 4
    for shown in fields:
        assert (shown["shown"], shown["pinned"], shown["disabled"]) == ("1.1.0", "yes", "no")
        assert shown["install"] == ("of-1.0" if shown.get("version") == "1.0.0" else "of-1.1")


@pytest.mark.parametrize("action", ["activate", "rollback", "pin", "1.0.0/delete"])
def test_a_version_that_was_installed_anew_is_not_what_was_decided_about(
    client: FlaskClient, services: MadeUpServices, action: str
) -> None:
    versions = (version("1.1.0", install_id="new"), version("1.0.0", active=False, install_id="new"))
    services.change("math_plugin", versions=versions)
    answer = send(client, action, {"version": "" if action == "pin" else "1.0.0", "install": "old"}, htmx=True)
    assert answer.status_code == 409
    assert "is another install of that version now" in answer.text
    assert (services.done, len(services.plugin("math_plugin").versions)) == ([], 2)


@pytest.mark.parametrize("action", ["activate", "rollback", "pin", "disable", "health", "self-test", "1.0.0/restore"])
def test_a_post_without_the_token_is_refused_and_does_nothing(
    client: FlaskClient, services: MadeUpServices, action: str
) -> None:
    answer = client.post(f"{PAGE}/{action}", data={"shown": "1.1.0", "version": "1.0.0"})
    assert answer.status_code == 403
    assert "out of date" in answer.text
    assert services.done == []


@pytest.mark.parametrize("action", ["activate", "rollback", "pin", "disable", "health", "self-test"])
def test_a_plugin_that_is_gone_is_said_in_words(client: FlaskClient, services: MadeUpServices, action: str) -> None:
    secret = token(client)
    services.installed.clear()
    answer = client.post(f"{PAGE}/{action}", data={"csrf_token": secret}, headers=HTMX)
    assert answer.status_code == 404
    assert answer.headers["HX-Retarget"] == "#notices"
    assert "No plugin &#39;math_plugin&#39; is installed." in answer.text


# What is offered


def buttons(client: FlaskClient, tab: str = "versions") -> str:
    """The names of the buttons of the part that follows."""
    html = client.get(f"{PAGE}/standing?tab={tab}", headers=HTMX).text
    found = re.findall(r"<button[^>]*>(.*?)</button>", html, re.DOTALL)
    return " | ".join(re.sub(r"<[^>]+>", "", words).strip() for words in found)


def test_every_action_is_named_for_what_it_does(client: FlaskClient) -> None:
    offered = buttons(client)
    for words in (
        "Roll back to 1.0.0",
        "Pin 1.1.0",
        "Disable",
        "Activate all the same math_plugin 2.0.0",
        "Activate math_plugin 1.0.0",
    ):
        assert words in offered
    assert "Check now" in buttons(client, "health")
    assert "Enable" not in offered
    assert "Unpin" not in offered


def test_what_is_disabled_is_not_looked_at(client: FlaskClient, services: MadeUpServices) -> None:
    services.change("math_plugin", disabled=True, status="disabled")
    assert "Enable" in buttons(client)
    assert "Check now" not in buttons(client, "health")


def test_without_a_version_before_there_is_no_roll_back(client: FlaskClient, services: MadeUpServices) -> None:
    services.change("math_plugin", rollback_version=None)
    assert "Roll back" not in buttons(client)


def test_tools_with_examples_can_be_tested(client: FlaskClient, services: MadeUpServices) -> None:
    assert "Test its tools" not in buttons(client, "health")
    services.change("math_plugin", tools=(ToolSpec("add", "Add.", {}, examples=2),))
    assert "Test its tools" in buttons(client, "health")


def test_each_other_version_can_be_compared_with_the_active_one(client: FlaskClient) -> None:
    page = client.get(VERSIONS).text
    assert 'href="/plugins/math_plugin/compare?from=1.1.0&amp;to=2.0.0"' in page
    assert "to=1.1.0" not in page


def test_without_an_active_version_one_can_be_activated(client: FlaskClient, services: MadeUpServices) -> None:
    services.switch("math_plugin", None)
    page = client.get(VERSIONS).text
    assert "No version is active." in page
    assert "Pin" not in buttons(client)
    assert "compare?from" not in page


# How it stands


@pytest.mark.parametrize("status", STATUS_LABELS)
@pytest.mark.parametrize("path", ["/plugins", PAGE])
def test_every_status_has_a_mark_and_a_word(
    client: FlaskClient, services: MadeUpServices, status: PluginStatus, path: str
) -> None:
    services.change("math_plugin", status=status)
    page = client.get(path).text
    assert f'<span class="dot" data-status="{status}"></span>{STATUS_LABELS[status]}' in page


@pytest.mark.parametrize("path", ["/plugins", PAGE])
def test_what_was_taken_back_is_told_with_its_reason_and_what_answers(client: FlaskClient, path: str) -> None:
    assert f"2.0.0 was taken back: {REASON}. 1.1.0 answers again." in client.get(path).text


@pytest.mark.parametrize(
    ("before", "words"), [("1.0.0", "it is taken back, and 1.0.0 answers again."), (None, "There is no good version")]
)
def test_of_a_new_version_the_page_says_what_happens_if_it_fails(
    client: FlaskClient, services: MadeUpServices, before: str | None, words: str
) -> None:
    assert "It is new" not in client.get(VERSIONS).text
    services.change("math_plugin", is_new=True, rollback_version=before)
    assert words in client.get(VERSIONS).text
    services.change("math_plugin", pinned=True)
    page = client.get(VERSIONS).text
    assert "It is new" not in page
    assert "it stays, whatever is uploaded or fails" in page


def test_a_version_that_was_taken_back_long_ago_is_marked_and_no_news(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.switch("math_plugin", "1.1.0")
    services.installed[0] = plugin(versions=(version("3.0.0"), version("2.0.0", active=False, quarantine=REASON)))
    assert "2.0.0 was taken back" not in client.get("/plugins").text
    assert "Taken back" in client.get(VERSIONS).text


@pytest.mark.parametrize("path", ["/plugins", PAGE])
def test_pinned_and_new_plugins_and_those_from_a_folder_are_marked(
    client: FlaskClient, services: MadeUpServices, path: str
) -> None:
    marks = ("Pinned</span>", "New</span>", "From a folder</span>")
    assert not any(mark in client.get(path).text for mark in marks)
    folder = (version("1.1.0", source="directory"),)
    services.change("math_plugin", pinned=True, is_new=True, versions=folder)
    assert all(mark in client.get(path).text for mark in marks)


def test_the_last_check_is_told_with_its_time_and_duration(client: FlaskClient, services: MadeUpServices) -> None:
    last = LastCheck(False, "The health check failed: no route", 1840.0, ago(minutes=7))
    services.change("math_plugin", status="degraded", health=HealthView("degraded", last))
    page = client.get(HEALTH).text
    assert "Failed <time" in page
    assert "7 minutes ago</time>, in 1.8 s. The health check failed: no route" in page


def test_checks_are_told_with_their_parts(client: FlaskClient, services: MadeUpServices) -> None:
    parts = {"database": True, "cache": False, "entries": {"n": 12}}
    services.checks = [check("2.0.0", healthy=False, words="It is down.", kind=CheckKind.TRIAL, checks=parts)]
    page = client.get(HEALTH).text
    for words in ("It is down.", "at its trial", "database</code> passed", "cache</code> failed", "{&#34;n&#34;: 12}"):
        assert words in page


def test_of_a_check_with_many_long_parts_only_some_is_shown(client: FlaskClient, services: MadeUpServices) -> None:
    services.checks = [check(checks={f"piece-{number}-{'x' * 500}": "y" * 5000 for number in range(50)})]
    page = client.get(HEALTH).text
    assert page.count("piece-") == 12
    assert "y" * 200 not in page


def test_the_history_is_told_in_sentences_and_each_story_once(client: FlaskClient, services: MadeUpServices) -> None:
    services.happenings = [
        happened(EventKind.QUARANTINED, "2.0.0", REASON),
        activated("1.1.0", "2.0.0", ActivationCause.AUTOMATIC_ROLLBACK, "In its place."),
        happened(EventKind.CRASHED, "2.0.0", "Killed by signal 9"),
        happened(EventKind.DISABLED, None),
        activated(None, "1.0.0", ActivationCause.AUTOMATIC_ROLLBACK),
        happened(EventKind.QUARANTINED, "1.0.0", "It leaks."),
        happened(EventKind.QUARANTINED, "0.9.0", "It hangs."),
    ]
    page = re.sub(r"<[^>]+>", "", client.get(HISTORY).text)
    for words in (
        f"1.1.0 is active again: 2.0.0 was taken back: {REASON}",
        "2.0.0 crashed: Killed by signal 9",
        "No version is active: 1.0.0 was taken back: It leaks.",
        "0.9.0 was taken back: It hangs.",
    ):
        assert words in page
    assert page.count(f"2.0.0 was taken back: {REASON}") == 2  # once as news on top, once in the history


@pytest.mark.parametrize("kind", [*ActivationCause, *EventKind])
def test_everything_that_can_happen_has_words(client: FlaskClient, services: MadeUpServices, kind: str) -> None:
    is_change = kind in list(ActivationCause)
    services.happenings = [
        activated("1.1.0", None, ActivationCause(kind)) if is_change else happened(EventKind(kind), "1.1.0")
    ]
    history = client.get(HISTORY).text.split('class="audit"')[1]
    assert re.search(r"<span>[A-Z1][^<{}]+</span>", history)


# Health on demand


@pytest.mark.parametrize(("healthy", "words"), [(True, "1.0.0 is healthy."), (False, "1.0.0 is not healthy.")])
def test_a_check_now_is_made_and_told(client: FlaskClient, services: MadeUpServices, healthy: bool, words: str) -> None:
    services.found = check(healthy=healthy, words="" if healthy else "It is down.")
    answer = send(client, "health", htmx=True)
    assert answer.status_code == 200
    assert words in said(answer)
    assert "It took 2 ms." in said(answer)
    assert answer.text.index('id="health"') < answer.text.index(words)
    plain = send(client, "health")
    assert plain.headers["Location"] == HEALTH
    assert words in client.get(HEALTH).text


@pytest.mark.parametrize("action", ["health", "self-test"])
@pytest.mark.parametrize("htmx", [True, False])
def test_a_plugin_that_cannot_be_looked_at_says_why(
    client: FlaskClient, services: MadeUpServices, action: str, htmx: bool
) -> None:
    services.refuses = WorkerEnded("Nobody answers.")
    answer = send(client, action, htmx=htmx)
    assert answer.status_code == 502
    assert "Nobody answers." in said(answer)
    assert answer.text.index('id="health"') < answer.text.index("Nobody answers.")


@pytest.mark.parametrize("htmx", [True, False])
def test_the_result_of_each_example_is_shown(client: FlaskClient, services: MadeUpServices, htmx: bool) -> None:
    services.examples = [
        ExampleResult("add", {"a": 2}, True, "add(a=2) returned 5.", 0.4),
        ExampleResult("add", {"a": "<b>"}, False, f"It returned {MARKUP}", 1.2),
    ]
    answer = send(client, "self-test", htmx=htmx)
    assert answer.status_code == 200
    for words in ("1 of 2 examples failed.", "add(a=2) returned 5.", "&lt;1 ms", "{&#34;a&#34;: &#34;&lt;b&gt;&#34;}"):
        assert words in answer.text
    assert MARKUP not in answer.text


# Deleting and bringing back


def delete(client: FlaskClient, number: str, *, htmx: bool = False) -> TestResponse:
    return send(client, f"{number}/delete", htmx=htmx)


def test_a_deletion_can_be_undone_from_its_notice(client: FlaskClient, services: MadeUpServices) -> None:
    answer = delete(client, "1.0.0", htmx=True)
    assert 'action="/plugins/math_plugin/1.0.0/restore"' in answer.text
    back = send(client, "1.0.0/restore", htmx=True)
    assert back.status_code == 200
    assert back.headers["HX-Trigger"] == "plugins-changed"
    assert "math_plugin 1.0.0 is back." in back.text
    assert len(services.plugin("math_plugin").versions) == 3


def test_without_scripts_the_notice_of_a_deletion_has_an_undo_too(client: FlaskClient) -> None:
    assert delete(client, "1.1.0").headers["Location"] == "/plugins"
    page = client.get("/plugins").text
    notices = page[page.index('id="notices"') :]
    assert "math_plugin 1.1.0 was deleted." in notices
    assert 'action="/plugins/math_plugin/1.1.0/restore"' in notices
    back = send(client, "1.1.0/restore")
    assert (back.status_code, back.headers["Location"]) == (303, VERSIONS)
    assert "math_plugin 1.1.0 is back and is active again." in client.get(VERSIONS).text


@pytest.mark.parametrize("path", ["/plugins/deleted", VERSIONS])
def test_what_was_deleted_is_listed_until_it_is_gone(client: FlaskClient, services: MadeUpServices, path: str) -> None:
    assert "gone for good" not in client.get(path).text
    services.delete(PluginRef("math_plugin", "1.0.0"))
    page = client.get(path).text
    assert "gone for good on" in page
    assert 'action="/plugins/math_plugin/1.0.0/restore"' in page


def test_the_page_of_a_plugin_lists_nothing_of_others(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed.append(plugin("other"))
    services.delete(PluginRef("other", "1.0.0"))
    assert "gone for good" not in client.get(VERSIONS).text
    assert "Undo" in client.get("/plugins/deleted").text


@pytest.mark.parametrize("htmx", [True, False])
def test_what_is_gone_for_good_cannot_be_brought_back(client: FlaskClient, htmx: bool) -> None:
    answer = send(client, "0.1.0/restore", htmx=htmx)
    assert answer.status_code == 404
    assert "was not deleted, or so long ago that it is gone" in answer.text


@pytest.mark.parametrize(("days", "words"), [(7, "can be brought back for 7 days"), (1, "for 1 day,"), (0, "for good")])
def test_the_confirmation_of_a_deletion_says_for_how_long_it_can_be_undone(
    client: FlaskClient, services: MadeUpServices, days: int, words: str
) -> None:
    services.deleted_retention_days = days
    assert words in client.get(f"{PAGE}/1.0.0/delete").text
    assert ("Undo" in delete(client, "1.0.0", htmx=True).text) is bool(days)


@pytest.mark.parametrize(
    ("number", "words"), [("1.1.0", "1.0.0 takes its place."), ("1.0.0", "2.0.0, 1.1.0 stay installed.")]
)
def test_the_confirmation_says_what_takes_the_place_and_that_is_no_bad_version(
    client: FlaskClient, number: str, words: str
) -> None:
    page = client.get(f"{PAGE}/{number}/delete").text
    assert words in page
    assert "2.0.0 takes its place" not in page


def test_the_confirmation_says_that_nothing_takes_the_place_and_that_a_pin_goes(
    client: FlaskClient, services: MadeUpServices
) -> None:
    bad = version("2.0.0", active=False, quarantine=REASON)
    services.change("math_plugin", versions=(bad, version("1.1.0")), pinned=True)
    page = client.get(f"{PAGE}/1.1.0/delete").text
    assert "Nothing takes its place. Its pin is lifted." in page


@pytest.mark.parametrize("htmx", [True, False])
def test_a_confirmation_that_is_not_true_any_more_is_asked_again_with_what_is(
    client: FlaskClient, services: MadeUpServices, htmx: bool
) -> None:
    shown = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', client.get(f"{PAGE}/1.1.0/delete").text))
    assert (shown["shown"], shown["pinned"], shown["successor"]) == ("1.1.0", "no", "1.0.0")
    services.delete(PluginRef("math_plugin", "1.0.0"))
    answer = send(client, "1.1.0/delete", shown, htmx=htmx)
    assert answer.status_code == 409
    assert "Nothing was deleted." in answer.text
    assert "the deletion of 1.1.0 would leave no version to answer now." in answer.text
    assert "Nothing takes its place." in answer.text
    assert answer.headers.get("HX-Retarget") == ("#dialog" if htmx else None)
    again = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
    assert send(client, "1.1.0/delete", again, htmx=htmx).status_code == (200 if htmx else 303)


def test_an_undo_says_which_install_it_brings_back(client: FlaskClient, services: MadeUpServices) -> None:
    versions = (version("1.1.0"), version("1.0.0", active=False, install_id="of-1.0"))
    services.change("math_plugin", versions=versions)
    assert 'name="install" value="of-1.0"' in delete(client, "1.0.0", htmx=True).text
    assert 'name="install" value="of-1.0"' in client.get(VERSIONS).text


# Following


def test_the_part_that_follows_is_not_sent_again_for_calls_and_the_passing_of_time(
    client: FlaskClient, services: MadeUpServices
) -> None:
    last = LastCheck(True, "", 2.4, ago(minutes=1))
    services.change("math_plugin", health=HealthView("healthy", last))
    first = client.get(f"{PAGE}/standing", headers=HTMX)
    conditional = HTMX | {"If-None-Match": first.headers["ETag"]}
    services.change("math_plugin", calls=13, errors=2, last_called_at=ago(seconds=0))
    assert client.get(f"{PAGE}/standing", headers=conditional).status_code == 304
    services.change("math_plugin", status="failed")
    assert client.get(f"{PAGE}/standing", headers=conditional).status_code == 200


CHANGES: list[Callable[[MadeUpServices], object]] = [
    lambda services: services.change("math_plugin", status="asleep"),
    lambda services: services.change("math_plugin", pinned=True),
    lambda services: services.switch("math_plugin", "1.0.0"),
    lambda services: services.delete(PluginRef("math_plugin", "1.0.0")),
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_list_is_sent_again_for_what_it_shows(
    client: FlaskClient, services: MadeUpServices, change: Callable[[MadeUpServices], object]
) -> None:
    first = client.get("/plugins/list", headers=HTMX)
    change(services)
    conditional = HTMX | {"If-None-Match": first.headers["ETag"]}
    assert client.get("/plugins/list", headers=conditional).status_code == 200


def test_a_page_whose_plugin_is_gone_says_so_and_asks_no_more(client: FlaskClient, services: MadeUpServices) -> None:
    for number in ("2.0.0", "1.0.0", "1.1.0"):
        services.delete(PluginRef("math_plugin", number))
    answer = client.get(f"{PAGE}/standing", headers=HTMX)
    assert answer.status_code == 286
    assert "It is not installed any more." in answer.text
    assert answer.text.count("Undo") == 3
    assert "hx-trigger" not in answer.text


# Markup and safe mode


def test_nothing_that_a_plugin_says_is_markup(client: FlaskClient, services: MadeUpServices) -> None:
    versions = (version("2.0.0", active=False, quarantine=MARKUP), version("1.1.0", warnings=(MARKUP,)))
    services.change(
        "math_plugin",
        description=MARKUP,
        capabilities=(MARKUP,),
        status="degraded",
        status_words=MARKUP,
        versions=versions,
        tools=(ToolSpec("add", MARKUP, {}, examples=1),),
        health=HealthView("degraded", LastCheck(False, MARKUP, 1.0, ago(minutes=1))),
    )
    services.checks = [check(healthy=False, words=MARKUP, checks={MARKUP: MARKUP, "list": [MARKUP]})]
    services.happenings = [happened(EventKind.CRASHED, "1.1.0", MARKUP)]
    services.delete(PluginRef("math_plugin", "2.0.0"))
    services.change("math_plugin", versions=versions)
    services.found = services.checks[0]
    sections = [f"{PAGE}/standing?tab={tab}" for tab in ("versions", "health", "history")]
    answers = [client.get(path) for path in ("/plugins", "/plugins/list", PAGE, VERSIONS, HEALTH, HISTORY, *sections)]
    answers += [client.get(f"{PAGE}/2.0.0/delete"), send(client, "health", htmx=True)]
    for answer in answers:
        assert MARKUP not in answer.text
        assert "<script>alert" not in answer.text
    assert sum(answer.text.count("&lt;script&gt;alert(1)") for answer in answers[2:6]) >= 8


@pytest.mark.parametrize("path", ["/plugins", "/system", PAGE, f"{PAGE}/1.0.0/delete", "/nowhere"])
def test_every_page_says_that_the_server_is_in_safe_mode_and_what_can_be_done(
    client: FlaskClient, services: MadeUpServices, path: str
) -> None:
    assert "safe-mode" not in client.get(path).text
    services.safe_mode = True
    page = client.get(path).text
    for words in ("Safe mode: no plugin runs.", "CADENCE_SAFE_MODE", "Roll back, disable or delete"):
        assert words in page


def test_in_safe_mode_nothing_is_offered_that_would_run_a_plugin(client: FlaskClient, services: MadeUpServices) -> None:
    services.safe_mode = True
    assert "Check now" not in buttons(client, "health")
    assert "Roll back to 1.0.0" in buttons(client)
    assert "Nothing can be uploaded or checked in safe mode" in client.get("/plugins").text


def test_a_version_that_is_not_there_cannot_be_activated(client: FlaskClient, services: MadeUpServices) -> None:
    services.refuses = NotFound("math_plugin 9.9 is not installed.")
    answer = send(client, "activate", {"version": "9.9"})
    assert answer.status_code == 404
    assert "math_plugin 9.9 is not installed." in said(answer)
