"""Models that are asked of the loopback server, by the real client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cadence.chat.model_choice import default_choice
from cadence.chat.models import Model, Models
from cadence.config import Settings
from tests.chat.openai_server import OpenAIServer, Script

Serve = Callable[..., tuple[Model, OpenAIServer]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server that plays a script, and give the model that is set to ask it: it never waits before it asks again
    unless the server tells it to."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("cadence.chat.models._FIRST_BACKOFF_SECONDS", 0.0)
    with ExitStack() as stack:

        def start(script: Script, *, key: str | None = "", **changes: Any) -> tuple[Model, OpenAIServer]:
            server = stack.enter_context(OpenAIServer(script))
            settings = settings_for(server, **{"openai_api_key": server.key if key == "" else key, **changes})
            return Models(settings).model(), server

        yield start


def settings_for(server: OpenAIServer, **changes: Any) -> Settings:
    return Settings(**{"llm": "openai:test-model", "llm_base_url": server.url, **changes})


def impatient(settings: Settings, chance: float) -> Model:
    """A model whose chance is known, so that what it waits can be told."""
    return Model(default_choice(settings), settings, Models(settings)._client, lambda: chance)
