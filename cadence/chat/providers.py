"""The providers of language models: what each is called, what it needs, and how its client is set up.

The clients are LangChain's, by ``init_chat_model``. Those that have no package of their own here speak the chat
completions of OpenAI, so the client of OpenAI is used for them with their address.
"""

import math
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from msgspec import Struct

from cadence.config import Settings
from cadence.setting_parsers import OFFLINE

#: What a server is told that wants no key: the client of OpenAI insists on one.
_NO_KEY = "none"


class Provider(Struct, frozen=True):
    """A provider of models.

    ``langchain`` is its name for ``init_chat_model``, ``package`` the module that has its client, ``extra`` the extra
    of Cadence that installs it. ``model`` is the one to ask where none is named. ``key`` is the field of the settings
    with its key, and ``plain_key`` the variable that it is usually in; both empty where it needs none. ``address`` is
    where its client is told to connect to; None leaves that to the client. ``takes_parallel`` says whether it can be
    told if tools may be called at once, ``hottest`` is the highest temperature it takes. ``chosen_model`` is the field
    of the settings that names another ``model``.
    """

    name: str
    title: str
    langchain: str
    package: str
    extra: str
    model: str
    key: str = ""
    plain_key: str = ""
    address: str | None = None
    takes_parallel: bool = False
    hottest: float = 2.0
    chosen_model: str = ""


class Choice(Struct, frozen=True):
    """A model, and how it is asked. ``of_plugin`` says that a plugin named it. ``provider`` is None for ``offline``."""

    provider: Provider | None
    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    of_plugin: bool = False

    @property
    def name(self) -> str:
        """``provider:model``, or ``offline``."""
        return f"{self.provider.name}:{self.model}" if self.provider else OFFLINE


_ALL = (
    Provider(
        "openai",
        "OpenAI",
        "openai",
        "langchain_openai",
        "openai",
        model="gpt-4.1",
        key="openai_api_key",
        plain_key="OPENAI_API_KEY",
        # Said, and not left to the client, which would take it from LANGSMITH_GATEWAY too.
        address="https://api.openai.com/v1",
        takes_parallel=True,
        chosen_model="openai_default_model",
    ),
    Provider(
        "azure_openai",
        "Azure OpenAI",
        "azure_openai",
        "langchain_openai",
        "openai",
        model="gpt-4.1",
        key="azure_openai_api_key",
        plain_key="AZURE_OPENAI_API_KEY",
        chosen_model="azure_openai_deployment",
    ),
    Provider(
        "anthropic",
        "Anthropic",
        "anthropic",
        "langchain_anthropic",
        "anthropic",
        model="claude-sonnet-4-5",
        key="anthropic_api_key",
        plain_key="ANTHROPIC_API_KEY",
        address="https://api.anthropic.com",
        takes_parallel=True,
        hottest=1.0,
        chosen_model="anthropic_default_model",
    ),
    Provider(
        "google_genai",
        "Google",
        "google_genai",
        "langchain_google_genai",
        "google",
        model="gemini-2.5-flash",
        key="google_api_key",
        plain_key="GOOGLE_API_KEY",
        chosen_model="gemini_default_model",
    ),
    Provider(
        "mistralai",
        "Mistral",
        "mistralai",
        "langchain_mistralai",
        "mistral",
        model="mistral-large-latest",
        key="mistral_api_key",
        plain_key="MISTRAL_API_KEY",
        address="https://api.mistral.ai/v1",
        hottest=1.0,  # of the client; Mistral itself goes up to 1.5
    ),
    Provider(
        "groq",
        "Groq",
        "groq",
        "langchain_groq",
        "groq",
        model="llama-3.3-70b-versatile",
        key="groq_api_key",
        plain_key="GROQ_API_KEY",
        address="https://api.groq.com",
        takes_parallel=True,
    ),
    Provider(
        "ollama",
        "Ollama",
        "ollama",
        "langchain_ollama",
        "ollama",
        model="llama3.1",
        address="http://127.0.0.1:11434",
    ),
    Provider(
        "deepseek",
        "DeepSeek",
        "openai",
        "langchain_openai",
        "openai",
        model="deepseek-chat",
        key="deepseek_api_key",
        plain_key="DEEPSEEK_API_KEY",
        address="https://api.deepseek.com",
    ),
    Provider(
        "openrouter",
        "OpenRouter",
        "openai",
        "langchain_openai",
        "openai",
        model="openai/gpt-4.1",
        key="openrouter_api_key",
        plain_key="OPENROUTER_API_KEY",
        address="https://openrouter.ai/api/v1",
        takes_parallel=True,
    ),
)
PROVIDERS: Mapping[str, Provider] = {provider.name: provider for provider in _ALL}

# OpenAI's models that think before they answer take neither of the two.
_REASONING = re.compile(r"o\d")


def named_provider(settings: Settings) -> Provider | None:
    """The provider of the default model: that of ``CADENCE_LLM``, else the default one; None is ``offline``."""
    name = settings.llm.partition(":")[0] if settings.llm else settings.default_llm_provider or OFFLINE
    return PROVIDERS.get(name)


def own_address(provider: Provider, settings: Settings) -> str | None:
    """The address that an operator gave for a provider, None where it is the provider's usual one."""
    return settings.llm_base_url if provider == named_provider(settings) else None


def usual_model(provider: Provider, settings: Settings) -> str:
    """The model of a provider to ask where none is named."""
    if provider == named_provider(settings) and settings.llm:
        return settings.llm.partition(":")[2]
    chosen = getattr(settings, provider.chosen_model) if provider.chosen_model else None
    return str(chosen or provider.model)


def offers_only(provider: Provider, settings: Settings) -> str | None:
    """The only model there is, where only the operator can know what models are called; else None.

    That is so at an address of the operator's, where another server answers, and for Azure's deployments.
    """
    if own_address(provider, settings) or provider.langchain == "azure_openai":
        return usual_model(provider, settings)
    return None


def what_lacks(provider: Provider, settings: Settings) -> str | None:
    """A sentence with what has to be done before a provider can be asked, None where nothing."""
    if provider.key and not own_address(provider, settings) and not getattr(settings, provider.key):
        variable = f"CADENCE_{provider.key.upper()}"
        return f"There is no key of {provider.title}: set {variable} (or {provider.plain_key}) and start anew."
    if provider.langchain == "azure_openai" and not _azure_address(provider, settings):
        return "There is no address of Azure OpenAI: set CADENCE_AZURE_OPENAI_ENDPOINT and start anew."
    if find_spec(provider.package) is None:
        extra = f"'cadence[{provider.extra}]'"
        return (
            f"The client of {provider.title} is not installed: `pip install {extra}` or `uv pip install {extra}`,"
            " then start anew."
        )
    return None


def is_configured(provider: Provider, settings: Settings) -> bool:
    """Whether a plugin may name it: it has its key, or needs none and is the one that the operator named."""
    named = bool(provider.key) or provider == named_provider(settings)
    return named and what_lacks(provider, settings) is None


def takes_parallel(choice: Choice) -> bool:
    """Whether the model can be told if tools may be called at once."""
    return bool(choice.provider and choice.provider.takes_parallel and not _reasons(choice))


def client_options(choice: Choice, settings: Settings) -> dict[str, Any]:
    """What ``init_chat_model`` is called with for a model of a provider, its key included.

    The client is told not to retry: whoever asks does that, and can stop waiting.
    """
    provider = choice.provider
    assert provider is not None
    options: dict[str, Any] = {"model": choice.model, "model_provider": provider.langchain}
    if choice.temperature is not None and not _reasons(choice):
        options["temperature"] = min(choice.temperature, provider.hottest)
    if choice.max_tokens is not None:
        options |= _longest_answer(provider, choice.max_tokens, settings)
    return options | _connection(provider, choice, settings)


def _longest_answer(provider: Provider, tokens: int, settings: Settings) -> dict[str, Any]:
    if provider.langchain == "ollama":
        return {"num_predict": tokens}
    if provider.langchain == "openai" and not _is_openai(provider, settings):
        # OpenAI's newer name for it, which its client uses, is not known to all who speak its language.
        return {"extra_body": {"max_tokens": tokens}}
    return {"max_tokens": tokens}


def _connection(provider: Provider, choice: Choice, settings: Settings) -> dict[str, Any]:
    address = own_address(provider, settings) or provider.address
    timeout = settings.llm_timeout_seconds
    if provider.langchain == "ollama":
        return {"base_url": address, "client_kwargs": {"timeout": timeout}}
    key = getattr(settings, provider.key) or _NO_KEY
    options: dict[str, Any] = {"api_key": key, "timeout": timeout, "max_retries": 0}
    if provider.langchain == "azure_openai":
        version = settings.azure_openai_api_version
        endpoint = _azure_address(provider, settings)
        return {**options, "azure_endpoint": endpoint, "azure_deployment": choice.model, "api_version": version}
    if address:
        options["base_url"] = address
    if provider.langchain == "openai":
        # Others who speak this language know the chat completions only.
        official = _is_openai(provider, settings)
        return {**options, "stream_usage": True} if official else {**options, "use_responses_api": False}
    if provider.langchain == "google_genai":
        return {**options, "max_retries": 1}  # it counts attempts
    return {**options, "timeout": math.ceil(timeout)} if provider.langchain == "mistralai" else options


def _azure_address(provider: Provider, settings: Settings) -> str | None:
    return own_address(provider, settings) or settings.azure_openai_endpoint


def _is_openai(provider: Provider, settings: Settings) -> bool:
    return provider.name == "openai" and own_address(provider, settings) is None


def _reasons(choice: Choice) -> bool:
    return (
        choice.provider is not None
        and choice.provider.package == "langchain_openai"
        and bool(_REASONING.match(choice.model.rpartition("/")[2]))
    )
