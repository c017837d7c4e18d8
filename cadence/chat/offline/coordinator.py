"""The role of the coordinator: hand each part of a message over to the agent that it fits, in the person's words.

It keeps nothing between two messages either: which parts are dealt with shows in the tasks that it gave.
"""

import re
from collections.abc import Container, Sequence

from msgspec import Struct

from cadence.chat.offline import matching, wording
from cadence.chat.offline.clauses import Clause, clauses
from cadence.chat.offline.exchange import Call, Message, Reply, Tool, after_last_human
from cadence.chat.offline.joining import joined
from cadence.chat.offline.matching import Candidate, Matcher, candidate
from cadence.chat.offline.tokens import NUMBER, WORD, read
from cadence.chat.offline.vocabulary import wordset
from cadence.chat.offline.words import STOP
from cadence.chat.values import FINALIZE, GOTO

#: What a clause has to share with an agent to be handed over to it.
_LEAST = 2.0
#: An agent goes on while no other fits so much better.
_AS_GOOD = 0.8
_DESCRIPTION = 1.5
_ABLE = re.compile(r"\.? Capabilities: ")
_TOOLS = " Tools: "
_TOOL = re.compile(r"(\S{1,200}) \((.*)\)")
_LONGEST_GREETING = 200
_GREETING = frozenset(("help", "good", "morning", "day", "evening", "nice", "meet"))
_REMARKS = wordset("i we you he she they my our your the this that these there it thanks thank hello hi hey")


class Part(Struct, frozen=True):
    """Clauses that follow one another, for one agent; from ``start`` to before ``end`` of the message."""

    agent: str
    start: int
    end: int


class Agent(Struct, frozen=True):
    """An agent as it is offered: read from the description of the tool that hands over to it."""

    name: str
    description: str
    capabilities: str
    tools: tuple[tuple[str, str], ...]


def choose(messages: Sequence[Message], tools: Sequence[Tool]) -> Reply:
    """Hand over the first part that is not dealt with, or end; or say what could be asked, where nothing fits."""
    past, message, moves = after_last_human(list(messages))
    agents = [_agent(tool) for tool in tools if tool.name.startswith(GOTO)]
    matcher = Matcher([_candidate(agent) for agent in agents])
    given = _given(moves)
    text, parts = message, divided(message, matcher)
    if not parts and (whole := joined(past, message)) is not None:
        text, parts = whole, divided(whole, matcher)
    part = _next(text, parts, given)
    if part is not None:
        return Reply(calls=(Call(f"{GOTO}{part.agent}", {"task": text[part.start : part.end]}),))
    if given or parts:
        return Reply(calls=(Call(FINALIZE, {}),))
    known = [wording.Introduction(one.name, one.description, tuple(name for name, _ in one.tools)) for one in agents]
    return Reply(text=wording.introduction(known, fits=_is_greeting(message)))


def divided(text: str, matcher: Matcher) -> list[Part]:
    """The parts of a message, in order. What fits no agent goes to the one before it, or else to the one after it."""
    parts: list[Part] = []
    start: int | None = None
    for clause in clauses(text, read(text), matcher.begins):
        agent = _agent_for(clause, matcher, parts[-1].agent if parts else None)
        if agent is None and not _wants(clause):
            continue
        if agent is None and not parts:
            start = clause.start if start is None else start
        elif parts and agent in (None, parts[-1].agent):
            parts[-1] = Part(parts[-1].agent, parts[-1].start, clause.end)
        elif agent is not None:
            first = 0 if clause.joined else clause.start if start is None else start
            parts.append(Part(agent, clause.start if parts else first, clause.end))
    return parts


def _agent_for(clause: Clause, matcher: Matcher, before: str | None) -> str | None:
    found = [match for match in matcher.matches(clause) if match.weight >= _LEAST]
    if not found:
        return None
    near = [match.name for match in found if match.score >= found[0].score * _AS_GOOD]
    return before if before is not None and before in near else found[0].name


def _wants(clause: Clause) -> bool:
    """Whether a clause that fits no agent looks like something to do, and not like a remark."""
    first = clause.tokens[0]
    number = any(token.kind == NUMBER for token in clause.tokens)
    return number or (first.kind == WORD and first.text not in _REMARKS and not _is_greeting(clause.text))


def _next(text: str, parts: Sequence[Part], given: Container[str]) -> Part | None:
    """The first part that was not given as a task yet."""
    return next((part for part in parts if text[part.start : part.end] not in given), None)


def _given(moves: Sequence[Message]) -> set[str]:
    calls = [call for move in moves for call in move.calls if call.name.startswith(GOTO)]
    return {str(call.args.get("task", "")) for call in calls}


def _is_greeting(text: str) -> bool:
    tokens = read(text[:_LONGEST_GREETING])
    words = [token.text for token in tokens if token.kind == WORD]
    plain = len(text) <= _LONGEST_GREETING and not any(token.kind == NUMBER for token in tokens)
    return plain and all(word in STOP or word in _GREETING for word in words)


def _agent(tool: Tool) -> Agent:
    told, _, listed = tool.description.partition(_TOOLS)
    described = _ABLE.split(told, maxsplit=1)
    pieces = [_TOOL.fullmatch(piece.strip().rstrip(".")) for piece in listed.split("; ")]
    tools = tuple((piece[1], piece[2]) for piece in pieces if piece)
    able = described[1] if len(described) > 1 else ""
    return Agent(tool.name.removeprefix(GOTO), described[0].rstrip(". "), able, tools)


def _candidate(agent: Agent) -> Candidate:
    texts = [(_DESCRIPTION, agent.description), (matching.CAPABILITY, agent.capabilities)]
    for name, words in agent.tools:
        texts += [(matching.NAME, name), (matching.MENTION, words)]
    return candidate(agent.name, texts, (name for name, _ in agent.tools), acts=False)
