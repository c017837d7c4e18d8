"""What the clients of providers raise, in words for an operator, whichever library it comes from."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from cadence.chat.model_choice import default_choice
from cadence.chat.model_failures import Failure, explain
from cadence.config import Settings
from cadence.errors import ModelFailed, ModelTimedOut, ModelUnavailable

KEY = "sk-operators-own-key-1234567890"
SETTINGS = Settings(llm="anthropic:claude-x", anthropic_api_key=KEY)


class APIStatusError(Exception):
    """As the clients of OpenAI, Anthropic and Groq have it."""

    def __init__(self, status: int, body: object = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"Error code: {status} - {body}")
        self.status_code = status
        self.body = body
        self.response = type("Response", (), {"headers": headers or {}, "status_code": status})()


class HTTPStatusError(Exception):
    """As httpx has it, and with it the client of Mistral."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Error response {status}")
        self.response = type("Response", (), {"status_code": status, "headers": {"Retry-After": "3"}})()


class TransportError(Exception):
    """As httpx has it."""


class ConnectError(TransportError):
    pass


class TimeoutException(TransportError):
    pass


class ModelRateLimitError(Exception):
    """As LangChain has it for all."""


class ClientError(Exception):
    """As Google's client has it."""

    code = 400


def said(error: BaseException, settings: Settings = SETTINGS) -> Failure:
    return explain(error, default_choice(settings), settings)


def refused(status: int, message: str = "", code: str = "", **headers: str) -> Failure:
    body = {"error": {"message": message, "code": code}}
    return said(APIStatusError(status, body, {key.replace("_", "-"): value for key, value in headers.items()}))


@pytest.mark.parametrize(
    ("error", "kind", "again", "words"),
    [
        (APIStatusError(401), ModelUnavailable, False, "CADENCE_ANTHROPIC_API_KEY"),
        (APIStatusError(403), ModelUnavailable, False, "refuses the key"),
        (APIStatusError(404), ModelUnavailable, False, "no model claude-x"),
        (APIStatusError(408), ModelFailed, True, "failure of its own"),
        (APIStatusError(413), ModelFailed, False, "too long"),
        (APIStatusError(418), ModelFailed, False, "refuses the request (418)"),
        (APIStatusError(429), ModelUnavailable, True, "too often"),
        (APIStatusError(500), ModelFailed, True, "(500)"),
        (APIStatusError(529), ModelFailed, True, "(529)"),
        (HTTPStatusError(503), ModelFailed, True, "(503)"),
        (ModelRateLimitError(), ModelUnavailable, True, "too often"),
        (ConnectError(), ModelUnavailable, True, "cannot be reached"),
        (ConnectionResetError(), ModelUnavailable, True, "cannot be reached"),
        (TimeoutException(), ModelTimedOut, False, "CADENCE_LLM_TIMEOUT_SECONDS"),
        (TimeoutError(), ModelTimedOut, False, "within 60 s"),
        (ValueError("Expecting value"), ModelFailed, False, "cannot be understood"),
        (KeyError("choices"), ModelFailed, False, "cannot be understood"),
        (
            ClientError("400 API key not valid. Please pass a valid API key."),
            ModelUnavailable,
            False,
            "refuses the key",
        ),
        (RuntimeError(KEY), ModelFailed, False, "could not be asked (RuntimeError)"),
    ],
)
def test_each_failure_says_what_to_do(error: Exception, kind: type, again: bool, words: str) -> None:
    failure = said(error)
    assert type(failure.error) is kind
    assert failure.again is again
    assert words in failure.error.in_words
    assert KEY not in failure.error.in_words


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
def test_a_quota_that_is_used_up_is_no_reason_to_ask_again(code: str) -> None:
    failure = refused(429, "You exceeded your current quota", code)
    assert not failure.again
    assert "quota" in failure.error.in_words


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("This model's maximum context length is 128000 tokens.", "context_length_exceeded"),
        ("prompt is too long: 200001 tokens", "invalid_request_error"),
        ("the request exceeds the available context window", ""),
    ],
)
def test_a_conversation_that_is_too_long_says_which_settings_make_it_shorter(message: str, code: str) -> None:
    failure = refused(400, message, code)
    assert "CADENCE_CHAT_HISTORY_CHARACTERS" in failure.error.in_words
    assert not failure.again


@pytest.mark.parametrize(("message", "code"), [("x", "content_filter"), ("due to Azure's content filter", "")])
def test_a_message_that_a_filter_refuses_says_so(message: str, code: str) -> None:
    assert "content filter" in refused(400, message, code).error.in_words


def test_a_refusal_is_quoted_in_one_short_line() -> None:
    words = refused(400, "Invalid schema\nfor function 'add'. " + "x" * 5000).error.in_words
    assert "Invalid schema for function 'add'." in words
    assert "\n" not in words
    assert len(words) < 300


@pytest.mark.parametrize("quoted", [KEY, "sk-somebody-elses-key-42", "Bearer abcdefghijkl", "gsk_abcdefgh1234"])
def test_a_key_that_the_provider_quotes_is_left_out(quoted: str) -> None:
    assert quoted not in refused(400, f"You sent {quoted} to us").error.in_words


@pytest.mark.parametrize(
    "body", ["<html>" + "secret page " * 50, ["a"], 7, None, {"error": "a string"}, {"detail": "d"}]
)
def test_an_answer_without_a_message_is_not_shown(body: object) -> None:
    assert said(APIStatusError(400, body)).error.in_words == "Anthropic refuses the request (400)."


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"Retry_After": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "7"}, 0.25),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": format_datetime(datetime(2001, 1, 1, tzinfo=UTC))}, 0.0),
        ({}, None),
    ],
)
def test_the_provider_says_when_to_ask_again(headers: dict[str, str], seconds: float | None) -> None:
    assert refused(429, **headers).after_seconds == seconds


def test_it_may_say_so_with_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    after = refused(429, retry_after=date).after_seconds
    assert after is not None
    assert 3000 < after < 3700


def test_a_library_that_wraps_the_exception_of_another_is_seen_through() -> None:
    wrapped = LookupError("chat failed")
    wrapped.__cause__ = APIStatusError(429, None, {"retry-after": "3"})
    failure = said(wrapped)
    assert (failure.again, failure.after_seconds) == (True, 3.0)


def test_causes_in_a_circle_end() -> None:
    one: Any = OSError("one")
    one.__cause__ = one
    assert "could not be asked" in said(one).error.in_words


def test_a_server_of_the_operators_is_called_so_and_its_address_not_told() -> None:
    settings = Settings(llm="openai:qwen", llm_base_url="http://models.internal:8080/v1")
    words = said(ConnectError(), settings).error.in_words
    assert "CADENCE_LLM_BASE_URL" in words
    assert "models.internal" not in words
    assert "/v1" in said(APIStatusError(404), settings).error.in_words
    assert "language of OpenAI" in said(ValueError(), settings).error.in_words


def test_what_is_in_words_already_stays() -> None:
    error = ModelUnavailable("There is no key.")
    assert said(error) == Failure(error)
