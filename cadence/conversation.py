"""What is kept of a conversation: frozen values."""

from typing import Any

from msgspec import Struct


class Question(Struct, frozen=True):
    """What somebody asks: a ``message``, in a thread that is there or, without one, in a new one.

    ``plugins`` are the names of those that may answer, None for all that are live. ``tone`` is how the answer is to
    sound, in the asker's words.
    """

    message: str
    thread_id: str | None = None
    plugins: tuple[str, ...] | None = None
    tone: str | None = None


class Step(Struct, frozen=True):
    """One call of a tool in a turn, by the agent of a plugin.

    ``args`` are as the model gave them. ``error`` says why there is no ``result``; ``plugin_version`` is the version
    that answered, None where none did. ``ms`` is the whole call as the server saw it.
    """

    id: str
    agent: str
    tool: str
    args: dict[str, Any]
    result: Any = None
    error: str | None = None
    plugin_version: str | None = None
    ms: float = 0.0


class TurnRecord(Struct, frozen=True):
    """One turn as it is kept. ``asked_at`` is UTC, ISO 8601.

    ``state`` is ``running``, ``answered``, ``failed``, ``stopped`` (on request) or ``interrupted`` (its server ended
    under it). ``response`` and ``steps`` are as far as it came, ``error`` why it came no further.
    """

    number: int
    message: str
    asked_at: str
    state: str
    response: str = ""
    steps: tuple[Step, ...] = ()
    error: str | None = None
    model: str = ""
    limit: str | None = None
    notices: tuple[str, ...] = ()
    ms: float = 0.0
    plugins: tuple[str, ...] | None = None
    tone: str | None = None


class ThreadRecord(Struct, frozen=True):
    """One thread without its turns. Times are UTC, ISO 8601; ``title`` is the beginning of its first message."""

    id: str
    title: str
    created_at: str
    updated_at: str
    turns: int
    state: str = "answered"
