"""What goes into a conversation and comes out of it: frozen values, and the events of a turn as it runs."""

from typing import Any, TypeAlias

from msgspec import Struct

#: The tools of the coordinator: ``goto_<plugin>`` hands over to an agent, ``finalize`` ends the search.
GOTO = "goto_"
FINALIZE = "finalize"


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


class Answer(Struct, frozen=True):
    """What came of a turn. ``number`` counts the turns of its thread from 1.

    ``model`` is the model that wrote it, as ``provider:model``, or ``offline``; empty where none was asked.
    ``limit`` says which limit ended the turn, None where none did. ``notices`` are sentences for the person beside the
    answer, such as that a plugin of this conversation is gone. ``ms`` is the whole turn, ``model_ms`` of it the time
    that models took.
    """

    response: str
    thread_id: str
    number: int
    steps: tuple[Step, ...] = ()
    model: str = ""
    limit: str | None = None
    notices: tuple[str, ...] = ()
    ms: float = 0.0
    model_ms: float = 0.0


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


class Started(Struct, frozen=True, tag="start", tag_field="event"):
    """The turn began."""

    thread_id: str
    number: int


class AgentStarted(Struct, frozen=True, tag="agent_start", tag_field="event"):
    """The agent of a plugin took over, to do ``task``. ``plugin_version`` is the version it is of."""

    agent: str
    plugin_version: str
    task: str


class AgentEnded(Struct, frozen=True, tag="agent_end", tag_field="event"):
    """It gave back. ``error`` is why it could not do its work, None where it could."""

    agent: str
    report: str = ""
    error: str | None = None


class ToolStarted(Struct, frozen=True, tag="tool_start", tag_field="event"):
    """A tool was called; its end has the same ``id``."""

    id: str
    agent: str
    tool: str
    args: dict[str, Any]


class ToolEnded(Struct, frozen=True, tag="tool_end", tag_field="event"):
    """The call is over, well or not."""

    step: Step


class Token(Struct, frozen=True, tag="token", tag_field="event"):
    """A piece of the answer, as the model writes it."""

    text: str


class Final(Struct, frozen=True, tag="message", tag_field="event"):
    """The turn is over: the whole answer. No event follows."""

    answer: Answer


class Broken(Struct, frozen=True, tag="error", tag_field="event"):
    """The turn came to nothing: the words of the error as the JSON API has them. No event follows."""

    status: int
    message: str
    details: str | list[str]
    thread_id: str | None = None


Event: TypeAlias = Started | AgentStarted | AgentEnded | ToolStarted | ToolEnded | Token | Final | Broken


class Node(Struct, frozen=True):
    """A node of the graph, and the plugin it belongs to.

    ``kind`` is ``start``, ``coordinator``, ``agent``, ``tools``, ``suspend``, ``synthesizer`` or ``end``.
    """

    id: str
    kind: str
    plugin: str | None = None


class Picture(Struct, frozen=True):
    """The graph that turns run through, as nodes and edges (source, target, whether a condition decides).

    ``left_out`` are plugins that are live and not among the nodes, because a turn offers only so many.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str, bool], ...]
    left_out: int = 0
