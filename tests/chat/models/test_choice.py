"""A plugin may choose among what the operator set up, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from cadence.chat.model_choice import choice_for, default_choice
from cadence.chat.models import Models
from cadence.chat.providers import PROVIDERS, client_options, what_lacks
from cadence.config import Settings, load_settings

KEY = "sk-operators-own-key"


@pytest.fixture(autouse=True)
def _every_client_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is chosen does not depend on which packages these tests run with."""
    monkeypatch.setattr("cadence.chat.providers.find_spec", lambda name: object())


def settings(**changes: Any) -> Settings:
    return Settings(**{"llm": "openai:gpt-4.1", "openai_api_key": KEY, **changes})


def name(requirements: Any, **changes: Any) -> str:
    return choice_for(requirements, settings(**changes)).name


def test_nothing_set_is_offline() -> None:
    assert Models(Settings()).default == "offline"
    assert Models(load_settings({"OPENAI_API_KEY": KEY})).default == "offline"


@pytest.mark.parametrize(
    ("environ", "model"),
    [
        ({"CADENCE_LLM": "openai:gpt-4o"}, "openai:gpt-4o"),
        ({"CADENCE_LLM": " Claude : claude-x "}, "anthropic:claude-x"),
        ({"CADENCE_LLM": "ollama:llama3.1:8b"}, "ollama:llama3.1:8b"),
        ({"CADENCE_LLM": "offline", "CADENCE_DEFAULT_LLM_PROVIDER": "openai"}, "offline"),
        ({"CADENCE_DEFAULT_LLM_PROVIDER": "openai"}, "openai:gpt-4.1"),
        ({"CADENCE_DEFAULT_LLM_PROVIDER": "openai", "CADENCE_OPENAI_DEFAULT_MODEL": "gpt-4o"}, "openai:gpt-4o"),
        ({"CADENCE_DEFAULT_LLM_PROVIDER": "claude", "CADENCE_ANTHROPIC_DEFAULT_MODEL": "c"}, "anthropic:c"),
        ({"CADENCE_DEFAULT_LLM_PROVIDER": "gemini"}, "google_genai:gemini-2.5-flash"),
        (
            {"CADENCE_DEFAULT_LLM_PROVIDER": "azure-openai", "CADENCE_AZURE_OPENAI_DEPLOYMENT": "mine"},
            "azure_openai:mine",
        ),
    ],
)
def test_the_operator_chooses_the_default(environ: dict[str, str], model: str) -> None:
    assert Models(load_settings(environ)).default == model


def test_without_requirements_the_default_answers() -> None:
    assert name(None) == name({}) == "openai:gpt-4.1"
    assert Models(settings()).model().name == "openai:gpt-4.1"


def test_a_plugin_has_the_model_it_requires_of_a_provider_that_is_configured() -> None:
    assert name({"provider": "openai", "model": "gpt-4o-mini"}) == "openai:gpt-4o-mini"
    assert name({"provider": "openai", "model_name": "gpt-4o-mini"}) == "openai:gpt-4o-mini"
    assert name({"provider": "claude", "model": "claude-x"}, anthropic_api_key=KEY) == "anthropic:claude-x"


def test_a_plugin_that_names_no_model_has_the_usual_one() -> None:
    assert name({"provider": "openai"}, llm="openai:gpt-4o") == "openai:gpt-4o"
    assert name({"provider": "groq"}, groq_api_key=KEY) == f"groq:{PROVIDERS['groq'].model}"


def test_a_plugin_that_requires_another_provider_has_the_default() -> None:
    assert name({"provider": "anthropic", "model": "claude-x"}) == "openai:gpt-4.1"
    assert name({"provider": "ollama", "model": "llama3.1"}) == "openai:gpt-4.1"
    assert name({"model": "gpt-4o"}) == "openai:gpt-4.1"


def test_ollama_needs_no_key_but_to_be_named() -> None:
    assert name({"provider": "ollama", "model": "qwen3"}, llm="ollama:llama3.1") == "ollama:qwen3"


def test_a_provider_whose_client_is_not_installed_is_not_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.chat.providers.find_spec", lambda name: None)
    assert Models(settings()).configured == ()
    lacks = what_lacks(PROVIDERS["google_genai"], Settings(google_api_key=KEY))
    assert lacks is not None
    assert "pip install 'cadence[google]'" in lacks
    assert "uv pip install" in lacks


def test_a_provider_without_its_key_says_which_setting_it_is() -> None:
    lacks = what_lacks(PROVIDERS["anthropic"], settings())
    assert lacks == "There is no key of Anthropic: set CADENCE_ANTHROPIC_API_KEY (or ANTHROPIC_API_KEY) and start anew."


def test_what_the_default_model_lacks_is_said_before_it_is_asked() -> None:
    assert "CADENCE_GROQ_API_KEY" in str(Models(settings(llm="groq:llama")).lacks)
    assert Models(settings()).lacks is None
    assert Models(Settings()).lacks is None


def test_azure_without_its_address_says_so() -> None:
    lacks = what_lacks(PROVIDERS["azure_openai"], settings(azure_openai_api_key=KEY))
    assert lacks is not None
    assert "CADENCE_AZURE_OPENAI_ENDPOINT" in lacks


def test_offline_means_that_no_plugin_can_have_another_model() -> None:
    """Else a conversation would leave the machine of an operator who wants that it does not."""
    for llm in (None, "offline"):
        assert name({"provider": "openai", "model": "gpt-4.1"}, llm=llm) == "offline"


def test_at_an_address_of_the_operator_only_the_operators_model_is_asked() -> None:
    """Nobody else knows what the models there are called."""
    asked = choice_for(
        {"provider": "openai", "model": "gpt-4.1", "temperature": 0.2},
        settings(llm="openai:qwen", llm_base_url="http://127.0.0.1:8080/v1"),
    )
    assert (asked.name, asked.temperature) == ("openai:qwen", 0.2)


def test_the_temperature_and_the_longest_answer_hold_for_the_default_too() -> None:
    asked = choice_for({"provider": "nobody", "temperature": 0.7, "max_tokens": 99}, settings())
    assert (asked.name, asked.temperature, asked.max_tokens, asked.of_plugin) == ("openai:gpt-4.1", 0.7, 99, False)


def test_the_operators_temperature_holds_where_a_plugin_has_none() -> None:
    assert choice_for({}, settings(default_llm_temperature=0.1)).temperature == 0.1
    assert choice_for({"temperature": 0}, settings(default_llm_temperature=0.1)).temperature == 0


HOSTILE_MODELS = [
    "gpt-4.1\nX-Header: 1",
    "gpt 4.1",
    "../../files",
    "a/../b",
    "/etc/passwd",
    "http://attacker.example/v1",
    "gpt?x=1",
    "gpt#x",
    "g" * 121,
    "",
    "\u0000",
    "gpt‮",
    7,
    True,
    ["gpt-4.1"],
    {"model": "x"},
]


@pytest.mark.parametrize("model", HOSTILE_MODELS)
def test_a_model_that_cannot_be_one_is_as_if_it_were_not_named(model: object) -> None:
    assert name({"provider": "openai", "model": model}) == "openai:gpt-4.1"


@pytest.mark.parametrize(
    "provider",
    [
        "os",
        "langchain_openai",
        "cadence.errors",
        "bedrock",
        "huggingface",
        "openai\n",
        "",
        None,
        7,
        ["openai"],
        {},
        "offline",
    ],
)
def test_a_provider_that_is_none_is_as_if_it_were_not_named(provider: object) -> None:
    assert name({"provider": provider, "model": "gpt-4o"}) in ("openai:gpt-4.1", "openai:gpt-4o")
    assert choice_for({"provider": provider}, settings()).provider == PROVIDERS["openai"]


@pytest.mark.parametrize("value", [1e9, -1, 2.1, float("nan"), float("inf"), 10**400, "1", True, None, [0.2]])
def test_a_temperature_that_is_none_is_as_if_it_were_not_given(value: object) -> None:
    assert choice_for({"temperature": value}, settings()).temperature is None


@pytest.mark.parametrize("value", [0, -5, 10**9, 1.5, "100", True, None, [1]])
def test_a_longest_answer_that_is_none_is_as_if_it_were_not_given(value: object) -> None:
    assert choice_for({"max_tokens": value}, settings()).max_tokens is None


@pytest.mark.parametrize("requirements", [[], "openai", 7, [("provider", "openai")]])
def test_requirements_that_are_none_are_as_if_they_were_not_there(requirements: Any) -> None:
    assert choice_for(requirements, settings()) == default_choice(settings())


def test_a_plugin_has_no_say_in_addresses_keys_and_packages() -> None:
    sly = {
        "provider": "openai",
        "model": "gpt-4o",
        "base_url": "http://attacker.example",
        "openai_api_base": "http://attacker.example",
        "api_key": "mine",
        "http_client": "x",
        "model_provider": "os",
        "additional_params": {"base_url": "http://attacker.example"},
        "extra_body": {"x": 1},
    }
    own = settings()
    assert client_options(choice_for(sly, own), own) == client_options(
        choice_for({"provider": "openai", "model": "gpt-4o"}, own), own
    )


def test_openai_is_told_its_own_address_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_GATEWAY", "http://elsewhere.example")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.example")
    options = client_options(default_choice(settings()), settings())
    assert options["base_url"] == "https://api.openai.com/v1"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_is_asked_with_its_own_key_once_and_in_time(provider: str) -> None:
    known = PROVIDERS[provider]
    keys: dict[str, Any] = {known.key: f"key-of-{provider}"} if known.key else {}
    own = Settings(llm=f"{provider}:a-model", azure_openai_endpoint="https://azure.example", **keys)
    options = client_options(default_choice(own), own)
    assert (options["model"], options["model_provider"]) == ("a-model", known.langchain)
    assert options.get("api_key", "") == (f"key-of-{provider}" if known.key else "")
    assert options.get("max_retries", 0) == (1 if provider == "google_genai" else 0)
    assert 60 in (options.get("timeout"), options.get("client_kwargs", {}).get("timeout"))


@pytest.mark.parametrize(
    ("llm", "changes", "told"),
    [
        ("openai:gpt-4.1", {}, {"max_tokens": 9}),
        ("openai:x", {"llm_base_url": "http://127.0.0.1:1/v1"}, {"extra_body": {"max_tokens": 9}}),
        ("deepseek:deepseek-chat", {"deepseek_api_key": KEY}, {"extra_body": {"max_tokens": 9}}),
        ("ollama:llama3.1", {}, {"num_predict": 9}),
        ("anthropic:claude-x", {"anthropic_api_key": KEY}, {"max_tokens": 9}),
    ],
)
def test_the_longest_answer_is_told_each_provider_as_it_knows_it(
    llm: str, changes: dict[str, Any], told: dict[str, Any]
) -> None:
    own = settings(llm=llm, **changes)
    options = client_options(choice_for({"max_tokens": 9}, own), own)
    assert {key: options[key] for key in ("max_tokens", "extra_body", "num_predict") if key in options} == told


def test_models_that_reason_are_told_no_temperature() -> None:
    own = settings(llm="openai:o3", default_llm_temperature=0.1)
    assert "temperature" not in client_options(default_choice(own), own)


def test_the_servers_that_can_be_asked_are_told_by_name() -> None:
    assert Models(settings(anthropic_api_key=KEY)).configured == ("openai", "anthropic")


def test_no_part_of_the_server_shows_a_key(tmp_path: Path) -> None:
    own = settings(instance=tmp_path)
    assert KEY not in repr(own)
    assert KEY not in repr(Models(own).model().__dict__ | {"settings": own})
