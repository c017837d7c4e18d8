"""Trying out the tools of a real plugin: the page, the JSON API and the worker agree."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from tests.conftest import parts_of
from tests.web.api.asking import call, install
from tests.web.pages.test_pages import token

TOOLS = """
from typing import Any, Literal

from cadence_sdk import tool


@tool
def book(words: list[str], count: int = 3, currency: Literal["euro", "dollar"] = "euro",
         price: float | None = None, more: dict[str, int] | None = None) -> dict[str, Any]:
    \"\"\"Gives back what it is given.\"\"\"
    return {"words": words, "count": count, "currency": currency, "price": price, "more": more}


@tool
def refuse(why: str) -> str:
    \"\"\"Raises.\"\"\"
    raise ValueError(why)


TOOLS = [book, refuse]
"""


@pytest.fixture
def app(settings: Settings, zygote: Zygote) -> Iterator[Flask]:
    app = create_app(settings, zygote)
    yield app
    parts_of(app).close()


def send(client: FlaskClient, tool: str, **fields: str) -> TestResponse:
    named = {f"arg-{name}": value for name, value in fields.items()}
    return client.post(f"/plugins/demo_plugin/tools/{tool}", data={"csrf_token": token(client), **named})


def test_what_the_form_of_a_real_tool_is_filled_with_reaches_it(client: FlaskClient) -> None:
    install(client, tools=TOOLS)
    page = client.get("/plugins/demo_plugin/tools?tool=book").text
    assert re.search(r'name="arg-count"[^>]*value="3"', page)
    assert re.search(r'<option value="&#34;euro&#34;" selected>', page)
    answer = send(client, "book", words="a\r\nb\r\n", currency='"dollar"', price="2.5", more='{"x": 1}')
    assert answer.status_code == 200
    assert "demo_plugin 1.0.0 answered in" in answer.text
    arguments = {"words": ["a", "b"], "currency": "dollar", "price": 2.5, "more": {"x": 1}}
    assert call(client, "book", arguments).get_json()["result"] == {**arguments, "count": 3}
    for words in ("&#34;a&#34;,\n    &#34;b&#34;\n", "&#34;count&#34;: 3", "&#34;price&#34;: 2.5", "&#34;x&#34;: 1"):
        assert words in answer.text


def test_what_a_real_tool_refuses_and_raises_is_said_in_its_words(client: FlaskClient) -> None:
    install(client, tools=TOOLS)
    unfit = send(client, "book", words="a", more='{"x": "many"}')
    assert unfit.status_code == 422
    assert re.search(r'<p class="field-error">Input should be a valid integer', unfit.text)
    raised = send(client, "refuse", why="<b>not today</b>")
    assert raised.status_code == 502
    assert "ValueError: &lt;b&gt;not today&lt;/b&gt;" in raised.text
