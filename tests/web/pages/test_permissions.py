"""The page of a plugin: its permissions as a form without a browser, which goes through the API's own validation."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from msgspec import structs
from werkzeug.test import TestResponse

from cadence.errors import InvalidGrants
from cadence.model import Endpoint, Grants
from cadence.runtime.usage import Usage
from cadence.web.present import Requested
from tests.web.pages.preview import MadeUpServices, plugin
from tests.web.pages.preview_usage import MIB, TAKEN

HTMX = {"HX-Request": "true"}
PLUGIN = "/plugins/math_plugin"
PAGE = f"{PLUGIN}/permissions"
SECRET = "s3cret-of-the-plugin"


def token(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(PAGE).text)
    assert found
    return found.group(1)


def save(client: FlaskClient, *, htmx: bool = False, **fields: str) -> TestResponse:
    """Send the form with these fields and all others empty."""
    return send(client, fields, HTMX if htmx else {})


def send(client: FlaskClient, fields: dict[str, str], headers: dict[str, str] | None = None) -> TestResponse:
    return client.post(f"{PLUGIN}/grants", data={"csrf_token": token(client), **fields}, headers=headers)


def granted(services: MadeUpServices) -> Grants:
    return services.granted["math_plugin"]


def test_the_form_shows_what_is_granted_and_the_defaults_beside_it(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.granted["math_plugin"] = Grants(network=(Endpoint("api.example.com", 443),), memory_mb=768)
    page = client.get(PAGE).text
    assert "api.example.com:443</textarea>" in page
    memory = re.search(r'<input[^>]*name="memory_mb"[^>]*>', page)
    threads = re.search(r'<input[^>]*name="threads"[^>]*>', page)
    assert memory
    assert threads
    assert 'value="768"' in memory.group()
    assert 'placeholder="512"' in memory.group()
    assert 'value=""' in threads.group()
    assert 'placeholder="128"' in threads.group()
    assert "Now 768 MiB." in page


def test_what_is_saved_is_granted(client: FlaskClient, services: MadeUpServices) -> None:
    answer = save(
        client,
        network=" api.example.com:443 \r\n\r\n[::1]:80\r\n",
        memory_mb=" 1024 ",
        call_seconds="2.5",
        processes="0",
        env_name="API_TOKEN",
        env_value=SECRET,
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert granted(services) == Grants(
        network=(Endpoint("api.example.com", 443), Endpoint("::1", 80)),
        memory_mb=1024,
        call_seconds=2.5,
        processes=0,
        env={"API_TOKEN": SECRET},
    )
    assert "The permissions of math_plugin were saved." in client.get(PAGE).text


def test_fields_that_are_emptied_go_back_to_the_defaults(client: FlaskClient, services: MadeUpServices) -> None:
    services.granted["math_plugin"] = Grants(network=(Endpoint("api.example.com", 443),), memory_mb=768)
    save(client)
    assert granted(services) == Grants()


def test_a_value_of_the_environment_is_never_shown_and_stays_until_it_is_changed(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.granted["math_plugin"] = Grants(env={"API_TOKEN": SECRET, "OTHER": "kept"})
    page = client.get(PAGE).text
    assert "API_TOKEN" in page
    assert SECRET not in page
    send(client, {"env-OTHER": "replaced"})
    assert granted(services).env == {"API_TOKEN": SECRET, "OTHER": "replaced"}
    save(client, env_remove="API_TOKEN")
    assert granted(services).env == {"OTHER": "replaced"}


def test_a_value_that_was_set_meanwhile_is_not_removed_by_an_older_form(
    client: FlaskClient, services: MadeUpServices
) -> None:
    sent = {"csrf_token": token(client)}
    services.granted["math_plugin"] = Grants(env={"LATE": "x"})
    client.post(f"{PLUGIN}/grants", data=sent)
    assert granted(services).env == {"LATE": "x"}


@pytest.mark.parametrize("htmx", [True, False])
def test_every_fault_stands_at_its_field_and_nothing_is_granted(
    client: FlaskClient, services: MadeUpServices, htmx: bool
) -> None:
    answer = save(
        client,
        htmx=htmx,
        network="nonsense",
        memory_mb="1",
        threads="many",
        data_mb="7",
        env_name="PATH",
        env_value=SECRET,
    )
    assert answer.status_code == 422
    assert services.granted == {}
    page = answer.text
    assert "Nothing was changed." in page
    assert "4 faults in the fields below need another look." in page
    at = {
        name: re.sub(r"\s+", " ", found)
        for name, found in re.findall(r'<div id="grant-(\w+)-error">(.*?)</div>', page, re.DOTALL)
    }
    assert "&#39;nonsense&#39; is not an endpoint" in at["network"]
    assert "Memory must be a whole number of MiB between 16" in at["memory_mb"]
    assert "or empty for the server&#39;s default" in at["memory_mb"]
    assert "Threads must be" in at["threads"]
    assert "PATH is set by Cadence itself" in at["env"]
    assert at["data_mb"].strip() == ""
    # What was typed is still there, but for what is secret.
    assert 'value="many"' in page
    assert "nonsense</textarea>" in page
    assert 'value="7"' in page
    assert SECRET not in page
    assert (answer.headers.get("HX-Retarget") == "#permissions") is htmx


@pytest.mark.parametrize("text", ["1e9", "nan", "9" * 5000, "1,024", "12.", "--3", "٣"])
def test_a_number_that_is_none_is_refused_in_words(client: FlaskClient, services: MadeUpServices, text: str) -> None:
    answer = save(client, memory_mb=text)
    assert answer.status_code == 422
    assert "Memory must be a whole number" in answer.text
    assert services.granted == {}


def test_a_plugin_that_does_not_start_with_them_is_said_above_the_form(
    client: FlaskClient, services: MadeUpServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InvalidGrants("math_plugin does not start with these grants: memory limit of 16 MiB reached.")

    monkeypatch.setattr(services, "grant", refuse)
    answer = save(client, htmx=True, memory_mb="16")
    assert answer.status_code == 422
    assert "Nothing was changed.</strong> math_plugin does not start with these grants" in answer.text


def test_a_request_without_a_token_grants_nothing(client: FlaskClient, services: MadeUpServices) -> None:
    for path in (f"{PLUGIN}/grants", f"{PLUGIN}/grants/requested"):
        assert client.post(path, data={"network": "evil.example:443"}).status_code == 403
    assert services.granted == {}


def ask(client: FlaskClient) -> dict[str, Any]:
    """The fields of the button's form, as the page has them."""
    form = re.search(r'<form class="asked".*?</form>', client.get(PAGE).text, re.DOTALL)
    assert form
    fields: dict[str, Any] = {}
    for name, value in re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', form.group()):
        fields.setdefault(name, []).append(value)
    return fields


def test_nothing_is_granted_by_asking(client: FlaskClient, services: MadeUpServices) -> None:
    services.requested = Requested(("api.example.com:443",), 1024)
    page = client.get(PAGE).text
    assert "network access to api.example.com:443" in page
    assert "1,024 MiB of memory" in page
    assert "api.example.com:443</textarea>" not in page
    assert 'value="1024"' not in page.split('class="grants"')[1]
    save(client)
    assert granted(services) == Grants()


def test_the_button_grants_what_was_asked_for_beside_what_there_is(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.granted["math_plugin"] = Grants(network=(Endpoint("old.example.com", 80),), threads=9, env={"A": "x"})
    services.requested = Requested(("API.example.com:443", "old.example.com:80", "no endpoint"), 1024)
    fields = ask(client)
    assert fields["network"] == ["api.example.com:443"]
    answer = client.post(f"{PLUGIN}/grants/requested", data=fields, headers=HTMX)
    assert answer.status_code == 200
    assert granted(services) == Grants(
        network=(Endpoint("old.example.com", 80), Endpoint("api.example.com", 443)),
        memory_mb=1024,
        threads=9,
        env={"A": "x"},
    )
    assert 'class="asked"' not in answer.text
    assert "It has everything it asks for." in client.get(PAGE).text


def test_the_button_grants_what_was_shown_though_the_plugin_asks_for_more_by_now(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.requested = Requested(("api.example.com:443",))
    fields = ask(client)
    services.requested = Requested(("api.example.com:443", "evil.example.com:443"), 100_000)
    client.post(f"{PLUGIN}/grants/requested", data=fields)
    assert granted(services) == Grants(network=(Endpoint("api.example.com", 443),))


def test_less_memory_than_it_has_is_no_request(client: FlaskClient, services: MadeUpServices) -> None:
    services.requested = Requested((), 100)
    assert 'class="asked"' not in client.get(PAGE).text


def test_what_a_plugin_asks_for_is_never_markup(client: FlaskClient, services: MadeUpServices) -> None:
    services.requested = Requested(("<script>alert(1)</script>:443", '"onfocus=x:1'), 1024)
    services.installed[:] = [plugin(status_words="<b>bold</b>")]
    page = client.get(PAGE).text
    assert "<script>alert" not in page
    assert "onfocus=x" not in page
    assert "<b>bold</b>" not in page


def form_of(client: FlaskClient, page: str = PAGE) -> dict[str, str]:
    """The fields of the form as a browser would send them untouched."""
    form = re.search(r'<form class="grants".*?</form>', client.get(page).text, re.DOTALL)
    assert form
    values = {}
    for tag in re.findall(r"<input[^>]*>", form.group()):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and 'type="checkbox"' not in tag:
            values[name.group(1)] = value.group(1) if value else ""
    network = re.search(r"<textarea[^>]*>\s?(.*?)</textarea>", form.group(), re.DOTALL)
    assert network
    # A browser sends lines that end so, whatever they ended with.
    return values | {"network": network.group(1).replace("\n", "\r\n")}


@pytest.mark.parametrize("htmx", [True, False])
def test_the_second_of_two_operators_is_told_of_both_sides_and_loses_nothing(
    client: FlaskClient, services: MadeUpServices, htmx: bool
) -> None:
    services.grant("math_plugin", {"network": ["a.example.com:1", "b.example.com:2"], "memory_mb": 100, "threads": 20})
    mine = form_of(client) | {"memory_mb": "777", "open_files": "99"}
    services.grant("math_plugin", {"network": ["c.example.com:3"], "memory_mb": 200, "threads": 40})
    first = granted(services)
    answer = client.post(f"{PLUGIN}/grants", data=mine, headers=HTMX if htmx else {})
    assert answer.status_code == 409
    assert granted(services) == first
    assert "somebody else changed the permissions of math_plugin" in answer.text
    assert "Memory is 200 MiB now; you typed 777 MiB, which stands below." in answer.text
    assert "Threads is 40 now. That stands in the form below." in answer.text
    assert "Network is c.example.com:3 now. That stands in the form below." in answer.text
    assert "Open files is" not in answer.text
    assert 'value="777"' in answer.text
    assert 'value="99"' in answer.text
    assert "c.example.com:3</textarea>" in answer.text
    assert (answer.headers.get("HX-Retarget") == "#permissions") is htmx


def test_what_was_brought_together_is_granted_when_it_is_sent_again(
    client: FlaskClient, services: MadeUpServices
) -> None:
    mine = form_of(client) | {"memory_mb": "777"}
    services.grant("math_plugin", {"threads": 40, "memory_mb": 200})
    refused = client.post(f"{PLUGIN}/grants", data=mine, headers=HTMX).text
    revision = re.search(r'name="revision" value="(\d+)"', refused)
    assert revision
    again = {"csrf_token": mine["csrf_token"], "revision": revision.group(1), "memory_mb": "777", "threads": "40"}
    assert client.post(f"{PLUGIN}/grants", data=again, headers=HTMX).status_code == 200
    assert granted(services) == Grants(memory_mb=777, threads=40)


def test_a_conflict_about_the_environment_is_told_by_names_and_shows_no_value(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.grant("math_plugin", {"env": {"OLD": "o", "TOKEN": "t"}})
    mine = form_of(client) | {"env-TOKEN": SECRET, "env_remove": "TOKEN", "env_name": "MINE", "env_value": SECRET}
    services.grant("math_plugin", {"env": {"LATE": "l", "TOKEN": None}})
    answer = client.post(f"{PLUGIN}/grants", data=mine)
    assert answer.status_code == 409
    assert "In the environment, LATE is set now." in answer.text
    assert "In the environment, OLD is not set any more." in answer.text
    assert "What you typed as a value of TOKEN, MINE is not sent back to you" in answer.text
    assert re.search(r'name="env_remove" value="TOKEN" checked', answer.text)
    assert 'value="MINE"' in answer.text
    assert SECRET not in answer.text


def test_a_conflict_in_values_that_nobody_may_see_is_said_all_the_same(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.grant("math_plugin", {"env": {"TOKEN": "one"}})
    mine = form_of(client)
    services.grant("math_plugin", {"env": {"TOKEN": "other"}})
    answer = client.post(f"{PLUGIN}/grants", data=mine)
    assert answer.status_code == 409
    assert "A value of the environment may be another." in answer.text


def test_what_was_asked_for_is_not_granted_beside_grants_that_nobody_saw(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.requested = Requested(("api.example.com:443",))
    fields = ask(client)
    services.grant("math_plugin", {"threads": 40})
    answer = client.post(f"{PLUGIN}/grants/requested", data=fields)
    assert answer.status_code == 409
    assert "Somebody else changed them since you looked." in answer.text
    assert granted(services) == Grants(threads=40)


def test_a_form_that_was_refused_is_still_about_what_it_was_made_from(
    client: FlaskClient, services: MadeUpServices
) -> None:
    mine = form_of(client) | {"memory_mb": "many"}
    refused = client.post(f"{PLUGIN}/grants", data=mine).text
    assert 'name="revision" value="0"' in refused
    assert 'name="seen-memory_mb" value=""' in refused


@pytest.mark.parametrize("revision", ["", "x", "-1", "9" * 50, "٣"])
def test_a_revision_that_is_none_is_no_error(client: FlaskClient, services: MadeUpServices, revision: str) -> None:
    assert save(client, revision=revision, threads="40").status_code == 303
    assert granted(services) == Grants(threads=40)


def test_what_is_sent_as_seen_is_never_markup(client: FlaskClient, services: MadeUpServices) -> None:
    hostile = "<script>alert(1)</script>"
    fields = form_of(client) | {"memory_mb": hostile, "network": hostile, "env-<b>": "x", "seen-<i>": hostile}
    services.grant("math_plugin", {"threads": 40, "memory_mb": 99})
    answer = client.post(f"{PLUGIN}/grants", data=fields)
    assert answer.status_code == 409
    for piece in ("<script>alert", "<b>", "<i>"):
        assert piece not in answer.text


def test_a_name_that_is_not_installed_yet_is_granted_something_ahead(
    client: FlaskClient, services: MadeUpServices
) -> None:
    page = "/plugins/later_plugin/permissions"
    shown = client.get(page)
    assert shown.status_code == 200
    assert "It is not installed. What you grant here waits for its first install." in shown.text
    answer = client.post("/plugins/later_plugin/grants", data=form_of(client, page) | {"memory_mb": "64"})
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert services.granted["later_plugin"] == Grants(memory_mb=64)
    assert 'value="64"' in client.get(page).text


def test_two_operators_who_grant_ahead_are_told_of_each_other(client: FlaskClient, services: MadeUpServices) -> None:
    page = "/plugins/later_plugin/permissions"
    mine = form_of(client, page) | {"memory_mb": "64"}
    services.grant("later_plugin", {"memory_mb": 128})
    answer = client.post("/plugins/later_plugin/grants", data=mine)
    assert answer.status_code == 409
    assert "Memory is 128 MiB now; you typed 64 MiB" in answer.text


@pytest.mark.parametrize("name", ["deleted", "x" * 300, "Plugin!", "-plugin"])
def test_a_name_that_no_plugin_can_have_has_no_permissions(client: FlaskClient, name: str) -> None:
    assert client.get(f"/plugins/{name}/permissions").status_code in (400, 404)


def test_what_it_takes_stands_beside_each_limit_in_words(client: FlaskClient, services: MadeUpServices) -> None:
    services.usages["math_plugin"] = structs.replace(TAKEN, open_files=230, disk_bytes=1030 * MIB)
    page = re.sub(r"<[^>]*>|\s+", " ", client.get(PAGE).text)
    page = re.sub(r" +", " ", page)
    assert "In use: 83 MiB 16 %" in page
    assert "In use: 12.5 %" in page
    assert "In use: 230 90 % Nearly used up" in page
    assert "In use: 1,030 MiB 101 % Used up" in page


def test_what_cannot_be_known_is_said(client: FlaskClient, services: MadeUpServices) -> None:
    services.usages["math_plugin"] = structs.replace(
        TAKEN, open_files=None, disk_bytes=None, disk_words="one of its folders cannot be looked into"
    )
    page = client.get(PAGE).text
    assert "Not known. The kernel does not tell this server." in page
    assert "Not known. Nobody can tell: one of its folders cannot be looked into." in page
    services.usages["math_plugin"] = None
    assert "What it takes is being found out." in client.get(PAGE).text
    services.usages["math_plugin"] = Usage()
    assert "It is not running now" in client.get(PAGE).text


def test_what_it_takes_follows_and_costs_nothing_while_it_is_the_same(
    client: FlaskClient, services: MadeUpServices
) -> None:
    first = client.get(f"{PLUGIN}/usage", headers=HTMX)
    assert first.status_code == 200
    assert 'id="use-memory_mb" hx-swap-oob="true"' in first.text
    assert 'id="usage"' in first.text
    same = client.get(f"{PLUGIN}/usage", headers={**HTMX, "If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    services.usages["math_plugin"] = structs.replace(TAKEN, threads=9)
    assert client.get(f"{PLUGIN}/usage", headers={**HTMX, "If-None-Match": first.headers["ETag"]}).status_code == 200
    services.installed.clear()
    assert client.get(f"{PLUGIN}/usage", headers=HTMX).status_code == 286
