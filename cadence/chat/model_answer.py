"""The answer of a model as the graph gets it: put together from its pieces, each call of a tool checked."""

import json
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from cadence.chat.model_request import require_wanted
from cadence.chat.tool_names import ToolNames
from cadence.progress import Flag

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall

#: How providers say why an answer ended: OpenAI, Google, Groq and Mistral; OpenAI's Responses; Anthropic; Ollama.
_ENDINGS = ("finish_reason", "status", "stop_reason", "done_reason")
_WITHHELD = {"content_filter", "safety", "refusal", "prohibited_content", "blocklist", "recitation", "spii"}
_CUT = {"length", "max_tokens", "incomplete"}


class Listener:
    """Hears an answer: keeps its pieces, and tells the text to whoever follows it.

    :ivar pieces: what came so far.
    :ivar spoke: whether some of the text was told already.
    :ivar streams: whether somebody follows it.
    """

    def __init__(self, on_token: Callable[[str], None] | None) -> None:
        self.streams = on_token is not None
        self.spoke = False
        self.pieces: list[AIMessage] = []
        self._on_token = on_token
        self._message: AIMessage | None = None

    def listen(self, pieces: "Generator[AIMessage, None, None]", cancelled: Flag | None) -> None:
        """Hear it to its end. Raises what giving the pieces, or telling the text, raises.

        :raises TurnStopped: when it was cancelled.
        """
        with closing(pieces):
            for piece in pieces:
                require_wanted(cancelled)
                self.pieces.append(piece)
                if self._on_token is not None and (text := str(piece.text)):
                    self.spoke = True
                    self._on_token(text)

    @property
    def message(self) -> "AIMessage":
        """All of it. There was at least a piece."""
        if self._message is None:
            self._message = joined(self.pieces)
        return self._message


def joined(pieces: "Sequence[AIMessage]") -> "AIMessage":
    """One message of the pieces of a stream, or the only piece there is."""
    from langchain_core.messages import AIMessageChunk

    first, *rest = pieces
    chunks = [piece for piece in rest if isinstance(piece, AIMessageChunk)]
    return first + chunks if chunks and isinstance(first, AIMessageChunk) else first


def ending(message: "AIMessage") -> str:
    """Why the answer ended, in the provider's word in lower case; empty where it did not say."""
    found = (message.response_metadata.get(key) for key in _ENDINGS)
    return next((str(value).lower() for value in found if value), "")


def says_nothing(message: "AIMessage") -> bool:
    """Whether there is neither text nor a call of a tool in it."""
    return not (str(message.text).strip() or message.tool_calls or message.invalid_tool_calls)


def is_withheld(message: "AIMessage") -> bool:
    """Whether a content filter kept the answer back."""
    return says_nothing(message) and ending(message) in _WITHHELD


def is_cut_to_nothing(message: "AIMessage") -> bool:
    """Whether it had no tokens left to say anything."""
    return says_nothing(message) and ending(message) in _CUT


def checked(message: "AIMessage", names: ToolNames) -> "AIMessage":
    """The message for the graph.

    ``tool_calls`` are those that can be made: each has a name, an ``id`` that no other has, and arguments that are a
    JSON object. All others are ``invalid_tool_calls``, with an ``id`` as well and the ``error`` in words for the model.
    Providers want an answer to each of them too, as a :class:`~langchain_core.messages.ToolMessage` with its ``id``.
    """
    from langchain_core.messages import AIMessage

    good: list[ToolCall] = []
    bad: list[InvalidToolCall] = []
    taken: set[str] = set()
    for call in _calls(message):
        id_ = _own_id(call.get("id"), taken)
        name = names.here(str(call.get("name") or ""))
        try:
            args = _arguments(call.get("args"))
            if not name:
                raise ValueError("The call names no tool.")
        except ValueError as error:
            text = _text(call.get("args"))
            bad.append({"type": "invalid_tool_call", "id": id_, "name": name, "args": text, "error": str(error)})
        else:
            good.append({"type": "tool_call", "id": id_, "name": name, "args": args})
    refusal = message.additional_kwargs.get("refusal")
    return AIMessage(
        content=refusal if isinstance(refusal, str) and says_nothing(message) else message.content,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        tool_calls=good,
        invalid_tool_calls=bad,
        usage_metadata=message.usage_metadata,
        id=message.id,
    )


def _calls(message: "AIMessage") -> Iterable[Mapping[str, Any]]:
    """The calls as they came.

    Of a stream, these are its own pieces: LangChain completes the arguments where they end in the middle, and
    ``{"amount": 10`` would become a call that nobody meant.
    """
    from langchain_core.messages import AIMessageChunk

    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return message.tool_call_chunks
    return [*message.tool_calls, *message.invalid_tool_calls]


def _own_id(id_: object, taken: set[str]) -> str:
    own = id_ if isinstance(id_, str) and id_ and id_ not in taken else f"call_{uuid.uuid4().hex}"
    taken.add(own)
    return own


def _arguments(given: object) -> dict[str, Any]:
    """The arguments of a call, of its JSON text or as they were read already; :class:`ValueError` in words."""
    try:
        text = given if isinstance(given, str) else json.dumps(given, allow_nan=False)
        args = json.loads(text or "{}", strict=False, parse_constant=_refuse_constant)
    except (ValueError, TypeError, RecursionError):
        raise ValueError("The arguments are not valid JSON.") from None
    if args is None:
        return {}
    if not isinstance(args, dict):
        raise ValueError("The arguments are not a JSON object.")
    return args


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _text(given: object) -> str:
    return given if isinstance(given, str) else repr(given)
