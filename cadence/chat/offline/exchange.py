"""What is said to the offline model and by it, as plain values without LangChain."""

from typing import Any

from msgspec import Struct

from cadence.chat.offline.schema import Parameter

SYSTEM, HUMAN, AI, TOOL = "system", "human", "ai", "tool"


class Tool(Struct, frozen=True):
    """A tool that is offered."""

    name: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()


class Call(Struct, frozen=True):
    """A call of a tool, with the id that its result refers to."""

    name: str
    args: dict[str, Any]
    id: str = ""


class Message(Struct, frozen=True):
    """A message: ``role`` is system, human, ai or tool; ``answers`` is the id of the call that a tool answers."""

    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    answers: str = ""
    failed: bool = False


class Reply(Struct, frozen=True):
    """What the model says: words, or calls."""

    text: str = ""
    calls: tuple[Call, ...] = ()


def after_last_human(messages: list[Message]) -> tuple[list[Message], str, list[Message]]:
    """The turns before, the latest message of a person, and what was called since and what came of it."""
    places = [at for at, message in enumerate(messages) if message.role == HUMAN]
    if not places:
        return [], "", list(messages)
    return list(messages[: places[-1]]), messages[places[-1]].text, list(messages[places[-1] + 1 :])
