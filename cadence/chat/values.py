"""What goes into a conversation and comes out of it: frozen values, and the events of a turn as it runs."""

from typing import Any, TypeAlias

from msgspec import Struct

from cadence.conversation import Question, Step, ThreadRecord, TurnRecord

__all__ = [
    "FINALIZE",
    "GOTO",
    "AgentEnded",
    "AgentStarted",
    "Answer",
    "Broken",
    "Event",
    "Final",
    "Node",
    "Picture",
    "Question",
    "Started",
    "Step",
    "ThreadRecord",
    "Token",
    "ToolEnded",
    "ToolStarted",
    "TurnRecord",
]

#: The tools of the coordinator: ``goto_<plugin>`` hands over to an agent, ``finalize`` ends the search.
GOTO = "goto_"
FINALIZE = "finalize"


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
