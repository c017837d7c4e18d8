"""The forms of tools as a client without a browser sees them."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from cadence.errors import CallTimedOut, InvalidArguments, PluginUnavailable, ToolRaised
from cadence.model import ToolSpec
from tests.web.pages.preview import MadeUpServices, plugin
from tests.web.pages.test_pages import HTMX, token

CONVERT = ToolSpec(
    "convert",
    "Converts an amount of money.",
    {
        "type": "object",
        "properties": {
            "amount": {"type": "number", "description": "How much.", "minimum": 0},
            "currency": {"enum": ["euro", "dollar"], "default": "euro"},
            "exact": {"type": "boolean", "default": False},
            "notes": {"type": "array", "items": {"type": "string"}},
            "more": {"type": "object"},
        },
        "required": ["amount"],
    },
)


@pytest.fixture(autouse=True)
def converter(services: MadeUpServices) -> None:
    services.installed[:] = [plugin(tools=(CONVERT, ToolSpec("now", "The time.", {"properties": {}})))]


def send(client: FlaskClient, *, tool: str = "convert", htmx: bool = False, **fields: str) -> Any:
    named = {name if name == "json" else f"arg-{name}": value for name, value in fields.items()}
    data = {"csrf_token": token(client), **named}
    return client.post(f"/plugins/math_plugin/tools/{tool}", data=data, headers=HTMX if htmx else {})


@pytest.fixture
def page(client: FlaskClient) -> str:
    return client.get("/plugins/math_plugin/tools").text


def test_each_argument_has_a_field_with_its_words(page: str) -> None:
    for words in ("How much.", "at least 0", "A number", "One text a line", "euro", "dollar"):
        assert words in page


def test_a_tool_has_an_address_and_another_is_chosen_by_it(client: FlaskClient) -> None:
    page = client.get("/plugins/math_plugin/tools?tool=now").text
    assert "It takes no arguments." in page
    assert client.get("/plugins/math_plugin/tools?tool=nothing").status_code == 404


@pytest.mark.parametrize("htmx", [True, False])
def test_a_call_is_made_with_what_stands_in_the_fields(
    client: FlaskClient, services: MadeUpServices, htmx: bool
) -> None:
    answer = send(client, htmx=htmx, amount="2.5", currency='"dollar"', exact="true", notes="a\r\nb", more='{"x": 1}')
    assert answer.status_code == 200
    args = {"amount": 2.5, "currency": "dollar", "exact": True, "notes": ["a", "b"], "more": {"x": 1}}
    assert services.called == [("math_plugin", "convert", args)]
    assert "math_plugin 1.0.0 answered in 1 ms." in answer.text
    assert answer.text.startswith("<!doctype") is not htmx


def test_what_was_typed_is_there_again_beside_the_result(client: FlaskClient) -> None:
    page = send(client, amount="2.5", notes="one\r\ntwo").text
    assert 'value="2.5"' in page
    assert "one\r\ntwo" in page or "one\ntwo" in page


def test_what_cannot_be_read_is_said_at_its_field_and_nothing_is_called(
    client: FlaskClient, services: MadeUpServices
) -> None:
    answer = send(client, htmx=True, amount="much", more="{")
    assert answer.status_code == 422
    assert services.called == []
    assert re.search(r'aria-describedby="tool-field-1-error[^>]*aria-invalid="true"', answer.text)
    for words in ("It was not called", "such as 2.5", "no JSON"):
        assert words in answer.text


def test_what_the_tool_says_of_an_argument_stands_at_its_field(client: FlaskClient, services: MadeUpServices) -> None:
    services.tool_failure = InvalidArguments("`amount`: Input should be less than 100")
    answer = send(client, amount="200")
    assert answer.status_code == 422
    assert '<p class="field-error">Input should be less than 100</p>' in answer.text


@pytest.mark.parametrize(
    ("failure", "status"),
    [(ToolRaised("ValueError: <b>no</b>"), 502), (CallTimedOut("30 s"), 504), (PluginUnavailable("It is down."), 503)],
)
def test_a_call_that_fails_is_said_in_words(
    client: FlaskClient, services: MadeUpServices, failure: Any, status: int
) -> None:
    services.tool_failure = failure
    answer = send(client, amount="1")
    assert answer.status_code == status
    assert failure.message in answer.text
    assert "<b>no</b>" not in answer.text


def test_all_arguments_can_be_written_as_json(client: FlaskClient, services: MadeUpServices) -> None:
    assert 'name="json"' in client.get("/plugins/math_plugin/tools?tool=convert&as=json").text
    send(client, json='{"amount": 3, "other": [true]}')
    assert services.called == [("math_plugin", "convert", {"amount": 3, "other": [True]})]
    refused = send(client, json="[1]")
    assert refused.status_code == 422
    assert "Write an object" in refused.text


def test_a_result_is_never_markup_and_never_endless(client: FlaskClient, services: MadeUpServices) -> None:
    services.answer = "<script>alert(1)</script>" + "x" * 1_000_000
    answer = send(client, amount="1")
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert len(answer.data) < 100_000
    assert "<code>POST /api/v1/plugins/math_plugin/tools/convert</code>" in answer.text


def test_of_many_complaints_the_first_are_shown_and_the_rest_counted(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.tool_failure = InvalidArguments(*(f"`notes.{number}`: {'no' * 9000}" for number in range(1000)))
    answer = send(client, amount="1")
    assert "… and 980 more." in answer.text
    assert len(answer.data) < 200_000


def test_what_has_to_be_chosen_is_not_chosen_beforehand(client: FlaskClient, services: MadeUpServices) -> None:
    parameters = {"properties": {"sure": {"type": "boolean"}, "unit": {"enum": ["m"]}}, "required": ["sure", "unit"]}
    services.installed[:] = [plugin(tools=(ToolSpec("drop", "", parameters),))]
    page = client.get("/plugins/math_plugin/tools").text
    assert page.count('<option value="">Choose</option>') == 2
    assert "Fill this in." in send(client, tool="drop", sure="", unit='"m"').text
    assert services.called == []


@pytest.mark.parametrize(
    "value", ['"\\ud800"', "1e999", "9" * 5000, "[" * 100_000], ids=["surrogate", "infinite", "long", "deep"]
)
def test_json_that_no_tool_can_be_sent_is_refused_in_words(
    client: FlaskClient, services: MadeUpServices, value: str
) -> None:
    whole = send(client, json=f'{{"a": {value}}}')
    one = send(client, amount="1", more=value)
    for answer in (whole, one):
        assert answer.status_code == 422
        assert "It was not called" in answer.text
    assert services.called == []


def test_a_call_without_the_token_is_refused(client: FlaskClient, services: MadeUpServices) -> None:
    answer = client.post("/plugins/math_plugin/tools/now", data={})
    assert answer.status_code == 403
    assert services.called == []


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"properties": 3},
        {"properties": {'"><script>alert(1)</script>': {"title": "<img src=x>", "type": "string", "default": '"><b>'}}},
        {"properties": {"__proto__": {"type": "object"}, "constructor": {}, "csrf_token": {}, "json": {}}},
        {"properties": {f"a{number}": {"type": "string"} for number in range(1000)}},
        {"$ref": "#"},
        {"properties": {"": {"type": "string"}}},
        {
            "properties": {f"a{number}": {"$ref": "#/$defs/Long"} for number in range(50)},
            "$defs": {"Long": {"enum": ["x" * 50_000]}},
        },
    ],
)
def test_any_schema_comes_to_a_page(client: FlaskClient, services: MadeUpServices, parameters: Any) -> None:
    services.installed[:] = [plugin(tools=(ToolSpec("odd", "<b>odd</b>", parameters),))]
    answer = client.get("/plugins/math_plugin/tools")
    assert answer.status_code == 200
    for markup in ("<script>alert", "<img src=x", "<b>"):
        assert markup not in answer.text
    assert len(answer.data) < 400_000


def test_a_plugin_without_tools_says_so(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed[:] = [plugin(tools=())]
    assert "It has no tools." in client.get("/plugins/math_plugin/tools").text


def test_what_is_disabled_cannot_be_called(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed[:] = [plugin(status="disabled", disabled=True, tools=(CONVERT,))]
    page = client.get("/plugins/math_plugin/tools").text
    assert "It is disabled, so it cannot be called." in page
    assert re.search(r'id="tool-call" disabled', page)
