"""Made-up conversations: what a turn does is written down before, and may wait until a test lets it go on."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import structs

from cadence.chat.stream import EventStream
from cadence.chat.values import (
    AgentEnded,
    AgentStarted,
    Answer,
    Broken,
    Event,
    Final,
    Node,
    Picture,
    Question,
    Started,
    Step,
    ThreadRecord,
    Token,
    ToolEnded,
    ToolStarted,
    TurnRecord,
)
from cadence.errors import CadenceError, NotFound
from tests.web.pages.preview_versions import ago

PATIENCE_SECONDS = 60


def step(tool: str = "add", **more: Any) -> Step:
    """A call that went well."""
    values: dict[str, Any] = {
        "id": f"call_{tool}",
        "agent": "math_plugin",
        "args": {"a": 2, "b": 3},
        "result": 5,
        "plugin_version": "1.0.0",
        "ms": 12.3,
    }
    return Step(tool=tool, **(values | more))


def called(step: Step) -> list[Event]:
    """The events of a call."""
    return [ToolStarted(step.id, step.agent, step.tool, step.args), ToolEnded(step)]


def turn_record(number: int = 1, message: str = "add 2 and 3", **more: Any) -> TurnRecord:
    """A turn that was answered."""
    values: dict[str, Any] = {
        "asked_at": ago(minutes=5),
        "state": "answered",
        "response": "2 plus 3 is 5.",
        "steps": (step(),),
        "model": "offline",
        "ms": 240.0,
    }
    return TurnRecord(number, message, **(values | more))


def thread_record(thread_id: str = "t1", title: str = "add 2 and 3", **more: Any) -> ThreadRecord:
    """A thread with one turn."""
    values: dict[str, Any] = {"created_at": ago(minutes=6), "updated_at": ago(minutes=5), "turns": 1}
    return ThreadRecord(thread_id, title, **(values | more))


def graph(*names: str, left_out: int = 0) -> Picture:
    """The graph with an agent for each plugin."""
    nodes = [Node("__start__", "start"), Node("coordinator", "coordinator")]
    edges = [("__start__", "coordinator", False), ("coordinator", "synthesizer", True)]
    edges += [("coordinator", "coordinator", True), ("coordinator", "__end__", True)]
    for name in names:
        agent, tools = f"{name}_agent", f"{name}_tools"
        nodes += [Node(agent, "agent", name), Node(tools, "tools", name)]
        edges += [("coordinator", agent, True), (agent, tools, True), (tools, agent, False)]
        edges += [(agent, "coordinator", True), (agent, "suspend", True)]
    nodes += [Node("suspend", "suspend"), Node("synthesizer", "synthesizer"), Node("__end__", "end")]
    edges += [("coordinator", "suspend", True), ("suspend", "__end__", False), ("synthesizer", "__end__", False)]
    return Picture(tuple(nodes), tuple(edges), left_out)


PLAY: tuple[Event, ...] = (
    AgentStarted("math_plugin", "1.0.0", "add 2 and 3"),
    *called(step()),
    AgentEnded("math_plugin", "It is 5."),
    Token("2 plus 3 "),
    Token("is 5."),
)
"""What a turn does where nothing else is said."""


class MadeUpChat:
    """Services of conversations.

    ``play`` is what each turn does; where it has a ``threading.Event``, the turn waits for that. ``refusals`` are
    raised, one for each question, before a turn begins. ``stopped`` is set where the last one is not wanted any more.
    """

    model_name = "offline"

    def __init__(self) -> None:
        self.chats: dict[str, tuple[ThreadRecord, list[TurnRecord]]] = {}
        self.play: list[Event | threading.Event] = list(PLAY)
        self.refusals: list[CadenceError] = []
        self.questions: list[Question] = []
        self.stopped = threading.Event()
        self.drawn = graph("math_plugin")

    def keep(self, record: ThreadRecord, *turns: TurnRecord) -> None:
        """Have a thread."""
        self.chats[record.id] = (structs.replace(record, turns=len(turns)), list(turns))

    def threads(self, limit: int = 50, after: str | None = None) -> Sequence[ThreadRecord]:
        """The latest first."""
        records = [record for record, _ in reversed(self.chats.values())]
        begin = next((place for place, one in enumerate(records, 1) if one.id == after), 0)
        return records[begin : begin + limit]

    def thread(self, thread_id: str) -> tuple[ThreadRecord, list[TurnRecord]]:
        """One of what is kept."""
        if thread_id not in self.chats:
            raise NotFound(f"There is no conversation {thread_id!r}.")
        return self.chats[thread_id]

    def delete_thread(self, thread_id: str) -> None:
        """Forget one."""
        self.thread(thread_id)
        del self.chats[thread_id]

    def stop(self, thread_id: str) -> bool:
        """End what waits."""
        self.thread(thread_id)
        self.stopped.set()
        return True

    def picture(self) -> Picture:
        """The graph this was given."""
        return self.drawn

    def stream(self, question: Question) -> EventStream:
        """Play a turn, in a thread of its own as the server does."""
        self.questions.append(question)
        if self.refusals:
            raise self.refusals.pop(0)
        thread_id = question.thread_id or f"t{len(self.chats) + 1}"
        if question.thread_id is None:
            self.keep(thread_record(thread_id, question.message[:60], updated_at=ago()))
        number = len(self.thread(thread_id)[1]) + 1
        self.thread(thread_id)[1].append(
            TurnRecord(number, question.message, ago(), "running", plugins=question.plugins)
        )
        self.stopped = threading.Event()
        events = EventStream(self.stopped)
        events.put(Started(thread_id, number))

        def play() -> None:
            for event in self._played(thread_id):
                events.put(event)

        threading.Thread(target=play, daemon=True).start()
        return events

    def _played(self, thread_id: str) -> Iterator[Event]:
        for one in list(self.play):
            if isinstance(one, threading.Event):
                if self._is_stopped_before(one):
                    self._change(thread_id, state="stopped", error="The turn was stopped.")
                    yield Broken(409, "Stopped", "The turn was stopped.", thread_id)
                    return
                continue
            turn = self.thread(thread_id)[1][-1]
            if isinstance(one, Broken):
                words = one.details if isinstance(one.details, str) else " ".join(one.details)
                self._change(thread_id, state="failed", error=words)
                yield structs.replace(one, thread_id=thread_id)
                return
            if isinstance(one, ToolEnded):
                self._change(thread_id, steps=(*turn.steps, one.step))
            if isinstance(one, Token):
                self._change(thread_id, response=turn.response + one.text)
            yield one
        turn = self._change(thread_id, state="answered", model=self.model_name, ms=240.0)
        yield Final(Answer(turn.response, thread_id, turn.number, turn.steps, self.model_name, ms=240.0))

    def _is_stopped_before(self, gate: threading.Event) -> bool:
        for _ in range(PATIENCE_SECONDS * 50):
            if gate.wait(0.02):
                return False
            if self.stopped.is_set():
                return True
        raise AssertionError("Nobody let the turn go on.")

    def _change(self, thread_id: str, **values: Any) -> TurnRecord:
        turns = self.chats[thread_id][1]
        turns[-1] = structs.replace(turns[-1], **values)
        return turns[-1]
