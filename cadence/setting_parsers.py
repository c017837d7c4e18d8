"""Reads single settings: each parser takes the text of a variable and gives its value.

Each raises :class:`ValueError` with what the value must be, in words that go on a sentence begun with the name of the
variable.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

#: What a provider of models may be called, and what it is called here: by its name in LangChain, where it has one.
#: Cadence 1.x took some of the others.
PROVIDER_NAMES: Mapping[str, str] = {
    "anthropic": "anthropic",
    "azure": "azure_openai",
    "azure-openai": "azure_openai",
    "azure_openai": "azure_openai",
    "claude": "anthropic",
    "deepseek": "deepseek",
    "gemini": "google_genai",
    "google": "google_genai",
    "google_genai": "google_genai",
    "groq": "groq",
    "mistral": "mistralai",
    "mistralai": "mistralai",
    "ollama": "ollama",
    "openai": "openai",
    "openrouter": "openrouter",
}
OFFLINE = "offline"

_PROVIDERS_IN_WORDS = ", ".join(sorted(set(PROVIDER_NAMES.values())))
_HOTTEST = 2.0


def boolean(text: str) -> bool:
    """``true`` or ``false``, in the ways that people write it."""
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def path(text: str) -> Path:
    """A folder, as an absolute path."""
    if not text.strip():
        raise ValueError("must name a folder")
    return Path(text).expanduser().absolute()


def at_least(least: int) -> Callable[[str], int]:
    """A parser of whole numbers that are not less."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if value < least:
            raise ValueError(f"must be at least {least}")
        return value

    return parse


def seconds(text: str) -> float:
    """A time, in seconds; more than none, and not for ever."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 < value < float("inf"):
        raise ValueError("must be more than 0 seconds")
    return value


def port(text: str) -> int:
    """A TCP port."""
    value = at_least(1)(text)
    if value > 65535:
        raise ValueError("must be a port between 1 and 65535")
    return value


def model(text: str) -> str:
    """A language model as ``provider:model``, the provider by its name in :data:`PROVIDER_NAMES`; or ``offline``."""
    if text.strip().lower() == OFFLINE:
        return OFFLINE
    provider, colon, name = (part.strip() for part in text.strip().partition(":"))
    if not colon or not provider or not name:
        raise ValueError("must be offline, or a provider and a model such as openai:gpt-4.1")
    return f"{_known(provider)}:{model_name(name)}"


def model_provider(text: str) -> str:
    """A provider of language models, by its name in :data:`PROVIDER_NAMES`; or ``offline``."""
    name = text.strip()
    return OFFLINE if name.lower() == OFFLINE else _known(name)


def model_name(text: str) -> str:
    """What a provider calls a model."""
    if not re.fullmatch(r"[!-~]{1,200}", text.strip()):
        raise ValueError("must be the name of a model, without spaces")
    return text.strip()


def temperature(text: str) -> float:
    """How freely a model words what it says: from 0 to 2."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must be a number from 0 to {_HOTTEST:g}") from None
    if not 0 <= value <= _HOTTEST:
        raise ValueError(f"must be a number from 0 to {_HOTTEST:g}")
    return value


def key(text: str) -> str | None:
    """A secret key; an empty text is none, as templates of ``.env`` files have it."""
    if not text.strip():
        return None
    if not re.fullmatch(r"[!-~]+", text.strip()):
        raise ValueError("must be a key on one line, without spaces")
    return text.strip()


def address(text: str) -> str:
    """The address of an HTTP server."""
    value = text.strip()
    try:
        parts = urlsplit(value)
        told = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        told = False
    if not told or not re.fullmatch(r"[!-~]+", value) or parts.query or parts.fragment:
        raise ValueError("must be the address of a server, such as http://127.0.0.1:8080/v1")
    if "@" in parts.netloc:
        raise ValueError("must be an address without a name or password; keys have settings of their own")
    return value.rstrip("/")


def word(text: str) -> str:
    """One word, such as a version."""
    if not re.fullmatch(r"[!-~]{1,200}", text.strip()):
        raise ValueError("must be one word")
    return text.strip()


def _known(provider: str) -> str:
    try:
        return PROVIDER_NAMES[provider.lower()]
    except KeyError:
        raise ValueError(f"must name a provider that is known here ({_PROVIDERS_IN_WORDS})") from None
