"""The names of tools as providers take them: letters, digits, ``_`` and ``-``, at most 64 of them."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

# OpenAI: ^[a-zA-Z0-9_-]{1,64}$; Anthropic the same; Gemini wants a letter or an underscore first as well.
_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_UNSAFE_CHARACTER = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST_CHARACTERS = 10
_KEPT_CHARACTERS = 64 - 1 - _DIGEST_CHARACTERS


def safe_name(name: str) -> str:
    """A name that every provider takes: the name itself where it is one, else one that is made of it.

    The same name always gives the same, so that calls of earlier turns keep theirs.
    """
    if _SAFE.fullmatch(name):
        return name
    kept = _UNSAFE_CHARACTER.sub("_", name)[:_KEPT_CHARACTERS]
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{kept}_{digest}" if _SAFE.match(kept) else f"_{kept[: _KEPT_CHARACTERS - 1]}_{digest}"


class ToolNames:
    """Translates the names of some tools to what a provider takes, and back.

    :param tools: the tools that are offered, each with its ``name``. A name that was made keeps clear of those that
        are offered as they are.
    """

    def __init__(self, tools: Iterable[dict[str, Any]] = ()) -> None:
        names = [str(tool["name"]) for tool in tools]
        self._there = {name: name for name in names if safe_name(name) == name}
        self._here = dict(self._there)
        for name in names:
            if name not in self._there:
                safe = safe_name(name)
                while safe in self._here:
                    safe = safe_name(f"{safe} ")
                self._there[name], self._here[safe] = safe, name

    def there(self, name: str) -> str:
        """What the provider is told."""
        return self._there.get(name) or safe_name(name)

    def here(self, name: str) -> str:
        """What the tool is called that the provider names so; a name nobody offered is given back as it is."""
        return self._here.get(name, name)

    def outgoing(self, messages: "Sequence[BaseMessage]") -> "list[BaseMessage]":
        """The messages with the names that the provider is told; those that it may be told as they are, unchanged."""
        return [self._renamed(message) for message in messages]

    def _renamed(self, message: "BaseMessage") -> "BaseMessage":
        from langchain_core.messages import AIMessage, ToolMessage

        if isinstance(message, ToolMessage) and message.name:
            there = self.there(message.name)
            return message if there == message.name else message.model_copy(update={"name": there})
        if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
            good = [{**call, "name": self.there(call["name"])} for call in message.tool_calls]
            bad = [{**call, "name": self.there(call["name"] or "")} for call in message.invalid_tool_calls]
            return message.model_copy(update={"tool_calls": good, "invalid_tool_calls": bad})
        return message
