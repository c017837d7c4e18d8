"""Which model is asked: what the operator set, and what plugins may have a say in.

A plugin's ``llm_requirements`` are hostile input. It may name a provider that the operator set up, one of its models, a
temperature and a longest answer; whatever else it says, or says wrongly, is as if it had not said it. It has no say in
keys, addresses and packages.
"""

import re
from collections.abc import Mapping
from typing import Any

from cadence.chat.providers import (
    PROVIDERS,
    Choice,
    Provider,
    is_configured,
    named_provider,
    offers_only,
    usual_model,
)
from cadence.config import Settings
from cadence.setting_parsers import OFFLINE, PROVIDER_NAMES

_MOST_TOKENS = 128_000
# Parts of a path at most: some providers have the name of the model in the address that is asked.
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*(/[A-Za-z0-9][A-Za-z0-9._:@+-]*){0,3}")
_LONGEST_MODEL = 120


def default_choice(settings: Settings) -> Choice:
    """The model that the operator set, or ``offline``."""
    provider = named_provider(settings)
    if provider is None:
        return Choice(None, OFFLINE)
    return Choice(provider, usual_model(provider, settings), settings.default_llm_temperature)


def choice_for(requirements: Mapping[str, Any] | None, settings: Settings) -> Choice:
    """The model for the agent of a plugin: the one it requires, where that may be, else the default.

    Where the default is ``offline``, that is for all: the operator wants nothing to leave this machine.
    """
    default = default_choice(settings)
    if not isinstance(requirements, Mapping) or default.provider is None:
        return default
    provider = _provider(requirements.get("provider"), settings)
    temperature = _temperature(requirements.get("temperature"), provider or default.provider)
    model = _model(requirements, provider, settings) if provider else default.model
    return Choice(
        provider or default.provider,
        model,
        default.temperature if temperature is None else temperature,
        _max_tokens(requirements.get("max_tokens")),
        of_plugin=(provider or default.provider, model) != (default.provider, default.model),
    )


def _provider(name: object, settings: Settings) -> Provider | None:
    known = PROVIDER_NAMES.get(name.strip().lower()) if isinstance(name, str) else None
    provider = PROVIDERS.get(known) if known else None
    return provider if provider and is_configured(provider, settings) else None


def _model(requirements: Mapping[str, Any], provider: Provider, settings: Settings) -> str:
    """The model a plugin names; the only one there is, or the usual one, where it may not or does not."""
    asked = requirements.get("model") or requirements.get("model_name")
    named = isinstance(asked, str) and len(asked) <= _LONGEST_MODEL and _MODEL.fullmatch(asked)
    return offers_only(provider, settings) or (str(asked) if named else usual_model(provider, settings))


def _temperature(value: object, provider: Provider) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= provider.hottest else None


def _max_tokens(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 1 <= value <= _MOST_TOKENS else None
