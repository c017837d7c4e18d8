"""The state of a conversation in the graph: what is kept of it, and what lasts as long as a turn."""

from itertools import pairwise
from typing import Annotated, Any, TypedDict, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from langgraph.channels import UntrackedValue
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps


class State(TypedDict):
    """``messages`` are what people asked and were answered, and all that lasts. The rest is of the present turn.

    ``moves`` is the coordinator's part of it: its hand-overs, each answered by what the agent reported. ``pending`` is
    the id of the one that is not answered yet. ``agent`` is at work with ``prompt`` on ``brief``; ``work`` are its
    calls of tools and what came of them. ``reports`` are names of agents and what they said, ``failed`` those that
    cannot work. ``next`` is the node that follows.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    moves: Annotated[list[BaseMessage], UntrackedValue]
    pending: Annotated[str, UntrackedValue]
    agent: Annotated[str, UntrackedValue]
    prompt: Annotated[str, UntrackedValue]
    brief: Annotated[str, UntrackedValue]
    work: Annotated[list[BaseMessage], UntrackedValue]
    reports: Annotated[list[tuple[str, str]], UntrackedValue]
    failed: Annotated[list[str], UntrackedValue]
    hops: Annotated[int, UntrackedValue]
    limit: Annotated[str, UntrackedValue]
    next: Annotated[str, UntrackedValue]
    remaining_steps: RemainingSteps


def beginning(message: str) -> State:
    """What a turn begins with."""
    begun: dict[str, Any] = {
        "messages": [HumanMessage(message)],
        "moves": [],
        "pending": "",
        "agent": "",
        "prompt": "",
        "brief": "",
        "work": [],
        "reports": [],
        "failed": [],
        "hops": 0,
        "limit": "",
        "next": "",
    }
    return cast(State, begun)  # how many steps are left, LangGraph knows


def past(messages: list[AnyMessage], most_characters: int) -> list[BaseMessage]:
    """What a model is shown of the turns before: each question that was answered, with its answer, the latest that fit.

    :param messages: the last of them is what is asked now.
    """
    pairs = [
        (asked, answered)
        for asked, answered in pairwise(messages)
        if isinstance(asked, HumanMessage) and isinstance(answered, AIMessage)
    ]
    shown: list[BaseMessage] = []
    left = most_characters
    for asked, answered in reversed(pairs):
        left -= len(asked.text) + len(answered.text)
        if left < 0:
            break
        shown[:0] = [asked, answered]
    return shown


def question(state: State) -> str:
    """What is asked in this turn."""
    return str(state["messages"][-1].text)
