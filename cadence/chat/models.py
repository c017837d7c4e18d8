"""The language models that answer in conversations: what an operator set up, by LangChain's ``init_chat_model``.

LangChain is imported when a model is first asked, not with this module.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from cadence.chat import model_failures as failures
from cadence.chat.model_answer import Listener, checked, ending, is_cut_to_nothing, is_withheld
from cadence.chat.model_choice import choice_for, default_choice
from cadence.chat.model_request import Request, RequestFailed, WaitedLongEnough, require_wanted, wait
from cadence.chat.providers import PROVIDERS, Choice, client_options, is_configured, takes_parallel, what_lacks
from cadence.chat.tool_names import ToolNames
from cadence.config import Settings
from cadence.errors import CadenceError, ModelUnavailable
from cadence.progress import Flag

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

_log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 8.0
#: Plugins may ask for models in many ways; no more clients than this are kept.
_MOST_CLIENTS = 32


class Models:
    """All models of this server. Any thread may use it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[Choice, BaseChatModel] = {}
        self._making = threading.Lock()

    @property
    def default(self) -> str:
        """The model that answers where no plugin asks for another: ``provider:model``, or ``offline``."""
        return default_choice(self._settings).name

    @property
    def configured(self) -> tuple[str, ...]:
        """The providers that can be asked: with their keys and clients."""
        return tuple(provider.name for provider in PROVIDERS.values() if is_configured(provider, self._settings))

    @property
    def lacks(self) -> str | None:
        """A sentence with what has to be done before the default model can answer, None where nothing."""
        provider = default_choice(self._settings).provider
        return what_lacks(provider, self._settings) if provider else None

    def model(self, requirements: Mapping[str, Any] | None = None) -> "Model":
        """The model for the agent of a plugin, by its ``llm_requirements``, or the default.

        They hold where the provider they name is configured; see :mod:`cadence.chat.model_choice`. Nothing is loaded
        and nobody asked yet, so this never fails.
        """
        return Model(choice_for(requirements, self._settings), self._settings, self._client)

    def tracing(self) -> AbstractContextManager[None]:
        """A block in which LangChain sends what happens to a tracing service only if the operator wants it so.

        ``LANGSMITH_TRACING`` and its like are often set for other programs, so they are not enough: nothing is sent
        without ``CADENCE_LLM_TRACING``.
        """
        return _tracing(self._settings)

    def _client(self, choice: Choice) -> "BaseChatModel":
        with self._making:
            client = self._clients.get(choice)
            if client is None:
                client = _offline() if choice.provider is None else _made(choice, self._settings)
                while len(self._clients) >= _MOST_CLIENTS:
                    del self._clients[next(iter(self._clients))]
                self._clients[choice] = client
            return client


class Model:
    """A model that can be asked, by any thread.

    :ivar name: ``provider:model``, or ``offline``.
    """

    def __init__(
        self,
        choice: Choice,
        settings: Settings,
        client: "Callable[[Choice], BaseChatModel]",
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = choice.name
        self._choice = choice
        self._settings = settings
        self._client = client
        self._chance = chance

    def answer(
        self,
        messages: "Sequence[BaseMessage]",
        tools: Sequence[dict[str, Any]] = (),
        *,
        parallel: bool = False,
        on_token: Callable[[str], None] | None = None,
        cancelled: Flag | None = None,
        deadline: float | None = None,
    ) -> "AIMessage":
        """Ask it.

        It is asked again when it is too busy, has a failure of its own or cannot be reached, unless it had begun to
        speak; that is done here and not by the clients, so that waiting ends when the turn does.

        :param tools: each with ``name``, ``description`` and ``parameters`` (a JSON schema).
        :param parallel: whether it may call several at once, for models that can be told so.
        :param on_token: is told each piece of the text as it comes, in this thread.
        :param cancelled: ends the asking at once.
        :param deadline: when the turn ends, by the monotonic clock.
        :returns: the answer; its ``tool_calls`` can be made, the others are in ``invalid_tool_calls``, as
            :func:`cadence.chat.model_answer.checked` has them.
        :raises ModelFailed: in words for an operator; :class:`ModelUnavailable` and :class:`ModelTimedOut` are two.
        :raises TurnStopped: when it was cancelled.
        """
        require_wanted(cancelled)
        names = ToolNames(tools) if self._choice.provider else _AsTheyAre()
        client = self._client(self._choice)
        sent = names.outgoing(messages)
        offered = [_described(tool, names) for tool in tools]

        def ask() -> Generator["AIMessage", None, None]:
            return self._asked(client, sent, offered, parallel=parallel, stream=on_token is not None)

        attempt = 0
        while True:
            listener = Listener(on_token)
            failure = self._attempt(ask, listener, cancelled, deadline)
            if failure is None:
                return checked(listener.message, names)
            attempt += 1
            delay = self._delay(failure, attempt)
            if not self._may_retry(failure, listener, attempt, delay, deadline):
                raise _asked_often(failure.error, attempt)
            _log.warning("%s is asked again in %.1f s: %s", self.name, delay, failure.error.in_words)
            wait(delay, cancelled)

    def _attempt(
        self,
        ask: "Callable[[], Generator[AIMessage, None, None]]",
        listener: "Listener",
        cancelled: Flag | None,
        deadline: float | None,
    ) -> failures.Failure | None:
        """Ask once; what went wrong is given back, None where nothing did."""
        try:
            if self._choice.provider is None:
                listener.listen(ask(), cancelled)
            else:
                timeout = self._settings.llm_timeout_seconds
                listener.listen(Request(ask, timeout, deadline, cancelled).pieces(), cancelled)
        except WaitedLongEnough as waited:
            explain = failures.out_of_time if waited.of_turn else failures.timed_out
            return failures.Failure(explain(self._choice, self._settings))
        except RequestFailed as failed:
            return failures.explain(failed.error, self._choice, self._settings, begun=bool(listener.pieces))
        return self._unusable(listener)

    def _unusable(self, listener: "Listener") -> failures.Failure | None:
        if not listener.pieces:
            return failures.broke_off(self._choice, self._settings)
        if is_withheld(listener.message):
            return failures.Failure(failures.withheld(self._choice, self._settings))
        if is_cut_to_nothing(listener.message):
            return failures.Failure(failures.cut_to_nothing(self._choice, self._settings))
        # A connection that is closed in good order looks like the end of the stream.
        if listener.streams and self._says_its_ending and not ending(listener.message):
            return failures.broke_off(self._choice, self._settings)
        return None

    @property
    def _says_its_ending(self) -> bool:
        return self._choice.provider is not None and self._choice.provider.package == "langchain_openai"

    def _asked(
        self,
        client: "BaseChatModel",
        messages: "Sequence[BaseMessage]",
        tools: Sequence[dict[str, Any]],
        *,
        parallel: bool,
        stream: bool,
    ) -> "Generator[AIMessage, None, None]":
        told: dict[str, Any] = {"parallel_tool_calls": parallel} if takes_parallel(self._choice) else {}
        with _tracing(self._settings):
            runnable = client.bind_tools(tools, **told) if tools else client
            # None of the callbacks of the graph that it may be asked in.
            config: Any = {"callbacks": []}
            if stream:
                yield from runnable.stream(list(messages), config)
            else:
                yield runnable.invoke(list(messages), config)

    def _delay(self, failure: failures.Failure, attempts: int) -> float:
        """Seconds until it is asked again: what the provider asks for, or twice as many each time; a little by chance.

        Without that, all who were refused together would come back together.
        """
        if failure.after_seconds is not None:
            return failure.after_seconds * (1 + 0.1 * self._chance())
        longest = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2.0 ** (attempts - 1))
        return longest * (0.5 + 0.5 * self._chance())

    def _may_retry(
        self, failure: failures.Failure, listener: Listener, attempts: int, delay: float, deadline: float | None
    ) -> bool:
        """Whether to ask again: it may help, nothing was told of this answer, and there is time to wait so long."""
        if listener.spoke or not failure.again or attempts > self._settings.llm_retries:
            return False
        left = self._settings.llm_timeout_seconds if deadline is None else deadline - time.monotonic()
        return delay < left


class _AsTheyAre(ToolNames):
    """The names of tools for the model that takes any."""

    def there(self, name: str) -> str:
        return name

    def here(self, name: str) -> str:
        return name


def _described(tool: Mapping[str, Any], names: ToolNames) -> dict[str, Any]:
    """A tool as OpenAI has it, which is what LangChain takes for all."""
    function = {
        "name": names.there(str(tool["name"])),
        "description": str(tool.get("description") or ""),
        "parameters": tool.get("parameters") or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": function}


def _offline() -> "BaseChatModel":
    from cadence.chat.offline import OfflineModel

    return OfflineModel()


def _made(choice: Choice, settings: Settings) -> "BaseChatModel":
    """The client of a provider.

    :raises ModelUnavailable: when it cannot be set up.
    """
    provider = choice.provider
    assert provider is not None
    if lacks := what_lacks(provider, settings):
        raise ModelUnavailable(lacks)
    try:
        from langchain.chat_models import init_chat_model

        client: BaseChatModel = init_chat_model(**client_options(choice, settings))
    except Exception as error:  # noqa: BLE001  # what a client raises may hold the key, and is not shown
        words = f"The client of {provider.title} cannot be set up ({type(error).__name__}). Look at the settings of it."
        raise ModelUnavailable(words) from None
    return client


def _asked_often(error: CadenceError, times: int) -> CadenceError:
    return error if times == 1 else type(error)(f"{error.in_words} It was asked {times} times.")


@contextmanager
def _tracing(settings: Settings) -> Iterator[None]:
    from langsmith.run_helpers import tracing_context

    with nullcontext() if settings.llm_tracing else tracing_context(enabled=False):
        yield
