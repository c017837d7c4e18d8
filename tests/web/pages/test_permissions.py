"""The page of a plugin: its permissions as a form without a browser, which goes through the API's own validation."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence.errors import InvalidGrants
from cadence.model import Endpoint, Grants
from cadence.web.present import Requested
from tests.web.pages.preview import MadeUpServices, plugin

HTMX = {"HX-Request": "true"}
PAGE = "/plugins/math_plugin"
SECRET = "s3cret-of-the-plugin"


def token(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(PAGE).text)
    assert found
    return found.group(1)


def save(client: FlaskClient, *, htmx: bool = False, **fields: str) -> TestResponse:
    """Send the form with these fields and all others empty."""
    return send(client, fields, HTMX if htmx else {})


def send(client: FlaskClient, fields: dict[str, str], headers: dict[str, str] | None = None) -> TestResponse:
    return client.post(f"{PAGE}/grants", data={"csrf_token": token(client), **fields}, headers=headers)


def granted(services: MadeUpServices) -> Grants:
    return services.granted["math_plugin"]


def test_the_list_leads_to_the_page_of_each_plugin(client: FlaskClient) -> None:
    assert f'href="{PAGE}"' in client.get("/plugins").text
    page = client.get(PAGE).text
    for words in ("math_plugin", "1.0.0", "Answering", "Exact arithmetic", "Multiply two numbers.", "14 KB"):
        assert words in page


def test_a_plugin_that_is_not_installed_has_no_page(client: FlaskClient) -> None:
    answer = client.get("/plugins/nobody")
    assert answer.status_code == 404
    assert "No plugin &#39;nobody&#39; is installed." in answer.text


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
    client.post(f"{PAGE}/grants", data=sent)
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
    for path in (f"{PAGE}/grants", f"{PAGE}/grants/requested"):
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
    answer = client.post(f"{PAGE}/grants/requested", data=fields, headers=HTMX)
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
    client.post(f"{PAGE}/grants/requested", data=fields)
    assert granted(services) == Grants(network=(Endpoint("api.example.com", 443),))


def test_less_memory_than_it_has_is_no_request(client: FlaskClient, services: MadeUpServices) -> None:
    services.requested = Requested((), 100)
    assert 'class="asked"' not in client.get(PAGE).text


def test_what_a_plugin_asks_for_is_never_markup(client: FlaskClient, services: MadeUpServices) -> None:
    services.requested = Requested(("<script>alert(1)</script>:443", '"onfocus=x:1'), 1024)
    services.installed[:] = [plugin(description="<b>bold</b>")]
    page = client.get(PAGE).text
    assert "<script>alert" not in page
    assert "onfocus=x" not in page
    assert "<b>bold</b>" not in page
