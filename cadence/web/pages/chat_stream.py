"""A turn as it happens, for the script of the page: server-sent events whose data are HTML.

The events (HTML, section 9.2) and what the script does with their data:

- ``head``: the head of the conversation, with its address; replaces the one that is there.
- ``threads``: the list of conversations; replaces the one that is there.
- ``turn``: the turn; comes below those that are there.
- ``doing``: what happens now; replaces what stood there.
- ``step``: a call of a tool; replaces the one with its id, or comes below those that are there.
- ``token``: a piece of the answer; goes to its end.
- ``end``: the turn as it ended; replaces it. No turn follows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask import render_template
from markupsafe import escape
from msgspec import structs

from cadence.chat.stream import EventStream
from cadence.chat.values import (
    AgentEnded,
    AgentStarted,
    Broken,
    Event,
    Final,
    Question,
    Started,
    Step,
    ThreadRecord,
    Token,
    ToolEnded,
    ToolStarted,
    TurnRecord,
)
from cadence.errors import NotFound, TurnStopped
from cadence.web.events import BEAT, or_silence, sent
from cadence.web.pages.chat_services import ChatServices
from cadence.web.pages.chat_views import StepView, TurnView, step_keys, turn_view

#: How many conversations the list shows.
LISTED_THREADS = 50


def fragments(services: ChatServices, question: Question, started: Started, events: EventStream) -> Iterator[bytes]:
    """The events of a turn as they are sent.

    :param events: those behind ``started``.
    """
    turn = _RunningTurn(services, question, started)
    yield sent("head", render_template("chat/partials/head.html", thread=turn.thread))
    yield sent("threads", thread_list(services, started.thread_id))
    yield sent("turn", turn.html())
    for event in or_silence(events):
        yield from (BEAT,) if event is None else turn.told(event)
    yield sent("threads", thread_list(services, started.thread_id))


def thread_list(services: ChatServices, current: str | None, after: str | None = None) -> str:
    """The list of conversations as HTML. Takes what :func:`thread_fields` takes."""
    return render_template("chat/partials/thread_list.html", **thread_fields(services, current, after))


def thread_fields(services: ChatServices, current: str | None, after: str | None = None) -> dict[str, Any]:
    """What the template of the list takes.

    :param current: the id of the thread that is shown.
    :param after: the id of the one whose followers are wanted.
    """
    # One more than is shown, to know whether there are more.
    threads = list(services.threads(LISTED_THREADS + 1, after))
    more = threads[LISTED_THREADS - 1].id if len(threads) > LISTED_THREADS else None
    return {"threads": threads[:LISTED_THREADS], "current": current, "after": after, "more": more}


class _RunningTurn:
    """What is known of a turn while it runs, and how each event of it is shown."""

    def __init__(self, services: ChatServices, question: Question, started: Started) -> None:
        self._services = services
        self._installed = services.names()
        self._ids: list[str] = []
        #: The calls that have not ended, with the ids of their elements.
        self._open: list[tuple[str, str]] = []
        self._writes = False
        self._id, self._number = started.thread_id, started.number
        self._record = TurnRecord(
            started.number,
            question.message,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            "running",
            plugins=question.plugins,
            tone=question.tone,
        )

    @property
    def thread(self) -> ThreadRecord:
        """The thread it is of."""
        return self._services.thread(self._id)[0]

    def html(self) -> str:
        """It as it began."""
        return self._shown(TurnView(self._id, self._record))

    def told(self, event: Event) -> Iterator[bytes]:
        """What is sent of an event."""
        match event:
            case Token(text):
                if not self._writes:
                    self._writes = True
                    yield self._doing("Writing the answer")
                yield sent("token", str(escape(text)))
            case AgentStarted(agent, version):
                yield self._doing(f"{agent} {version} is at work")
            case AgentEnded(agent, _, error):
                yield self._doing(f"{agent} could not do its work: {error}" if error else f"{agent} has reported")
            case ToolStarted(id_, agent, tool, args):
                yield self._step(self._begun(id_), Step(id_, agent, tool, args), runs=True)
            case ToolEnded(step):
                yield self._step(self._ended(step.id), step, runs=False)
            case Final(answer):
                done = structs.replace(
                    self._record,
                    state="answered",
                    response=answer.response,
                    steps=answer.steps,
                    model=answer.model,
                    limit=answer.limit,
                    notices=answer.notices,
                    ms=answer.ms,
                )
                yield sent("end", self._shown(turn_view(self._id, done, self._installed)))
            case Broken():
                yield sent("end", self._shown(turn_view(self._id, self._broken(event), self._installed)))

    def _doing(self, words: str) -> bytes:
        return sent("doing", render_template("chat/partials/doing.html", doing=words))

    def _begun(self, id_: str) -> str:
        """A call began; the id of its element."""
        self._ids.append(id_)
        key = step_keys(self._number, self._ids)[-1]
        self._open.append((id_, key))
        return key

    def _ended(self, id_: str) -> str:
        """A call ended; the id of its element."""
        if all(id_ != open_id for open_id, _ in self._open):
            self._begun(id_)
        call = next(call for call in self._open if call[0] == id_)
        self._open.remove(call)
        return call[1]

    def _step(self, key: str, step: Step, *, runs: bool) -> bytes:
        view = StepView(key, step, runs, is_gone=step.agent not in self._installed)
        return sent("step", render_template("chat/partials/step.html", view=view))

    def _broken(self, event: Broken) -> TurnRecord:
        """The turn as it was kept, which knows best how far it came."""
        try:
            turns = self._services.thread(self._id)[1]
        except NotFound:  # deleted meanwhile
            turns = []
        for turn in turns:
            if turn.number == self._number and turn.state != "running":
                return turn
        words = event.details if isinstance(event.details, str) else " ".join(event.details)
        state = "stopped" if event.message == TurnStopped.message else "failed"
        return structs.replace(self._record, state=state, error=words or event.message)

    def _shown(self, view: TurnView) -> str:
        return render_template("chat/partials/turn.html", view=view, is_last=True, streams=True)
