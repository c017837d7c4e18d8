"""The settings of models: keys under both names, and none of them shown."""

import dataclasses
from typing import Any

import pytest

from cadence.config import Settings, load_settings
from cadence.errors import ConfigurationError

KEYS = [field for field in dataclasses.fields(Settings) if field.name.endswith("_api_key")]
NAMES = [(field.name, name) for field in KEYS for name in (field.metadata["variable"], *field.metadata["also"])]


@pytest.mark.parametrize(("field", "variable"), NAMES)
def test_a_key_is_read_by_its_name_here_and_by_its_plain_one(field: str, variable: str) -> None:
    assert getattr(load_settings({variable: " k-1 "}), field) == "k-1"


def test_the_name_here_wins_unless_it_is_empty() -> None:
    both = {"CADENCE_OPENAI_API_KEY": "here", "OPENAI_API_KEY": "plain"}
    assert load_settings(both).openai_api_key == "here"
    assert load_settings({**both, "CADENCE_OPENAI_API_KEY": " "}).openai_api_key == "plain"


def test_an_empty_key_is_none() -> None:
    assert load_settings({"OPENAI_API_KEY": "", "CADENCE_GROQ_API_KEY": " "}).openai_api_key is None


@pytest.mark.parametrize("field", [field.name for field in KEYS])
def test_no_key_is_shown_with_the_settings(field: str) -> None:
    keys: dict[str, Any] = {field: "s3cr3t-key"}
    settings = Settings(**keys)
    assert getattr(settings, field) == "s3cr3t-key"
    assert "s3cr3t-key" not in repr(settings)
    assert "s3cr3t-key" not in str(settings)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("CADENCE_OPENAI_API_KEY", "sk-one sk-two"),
        ("OPENAI_API_KEY", "sk-öne"),
        ("CADENCE_LLM_BASE_URL", "http://user:sk-one@127.0.0.1/v1"),
        ("CADENCE_AZURE_OPENAI_ENDPOINT", "sk-one"),
    ],
)
def test_a_secret_that_cannot_be_one_is_refused_by_name_only(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"CADENCE_LLM": "openai:x", variable: text})
    assert variable in str(caught.value)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://",
        "http://a:99999",
        "http://a/?x=1",
        "http://a/#x",
        "http://a b",
    ],
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="CADENCE_LLM_BASE_URL must be"):
        load_settings({"CADENCE_LLM": "openai:x", "CADENCE_LLM_BASE_URL": text})


def test_an_address_is_taken_without_its_last_slash() -> None:
    settings = load_settings({"CADENCE_LLM": "openai:x", "CADENCE_LLM_BASE_URL": "http://127.0.0.1:8080/v1/"})
    assert settings.llm_base_url == "http://127.0.0.1:8080/v1"


def test_an_address_without_a_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs CADENCE_LLM"):
        load_settings({"CADENCE_LLM_BASE_URL": "http://127.0.0.1:8080/v1"})


@pytest.mark.parametrize(
    "text", ["", "gpt-4.1", "openai:", ":gpt", "os:path", "langchain_openai:x", "openai:a b", "x\n:y"]
)
def test_a_model_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="CADENCE_LLM must"):
        load_settings({"CADENCE_LLM": text})


def test_a_provider_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"anthropic, .*openai.*not 'nobody'"):
        load_settings({"CADENCE_DEFAULT_LLM_PROVIDER": "nobody"})


@pytest.mark.parametrize("text", ["-0.1", "2.1", "nan", "warm", ""])
def test_a_temperature_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="from 0 to 2"):
        load_settings({"CADENCE_DEFAULT_LLM_TEMPERATURE": text})
