"""Conversations, the one way in: ask, follow, stop, list, delete. LangGraph is imported when a turn first needs it."""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cadence.chat import participants
from cadence.chat.commands import HELP, command_of, read_call, tools_in_words
from cadence.chat.gate import Gate
from cadence.chat.models import Models
from cadence.chat.prompts import step_line
from cadence.chat.run import Run, new_thread
from cadence.chat.snapshot import Snapshot, snapshot
from cadence.chat.stream import EventStream
from cadence.chat.turn import Bounds, Turn
from cadence.chat.values import (
    Answer,
    Broken,
    Event,
    Final,
    Picture,
    Question,
    Started,
    ThreadRecord,
    Token,
    ToolEnded,
    TurnRecord,
)
from cadence.config import Settings
from cadence.errors import CadenceError, InvalidRequest, NotFound, TurnStopped
from cadence.runtime.live_set import LiveSet
from cadence.runtime.slot import LivePlugin
from cadence.storage.index import Index

if TYPE_CHECKING:
    from cadence.chat.engine import Engine

log = logging.getLogger(__name__)

_MAX_TONE_CHARACTERS = 200
#: How long turns have to end when the server shuts down.
_CLOSE_SECONDS = 5.0


class Conversations:
    """The conversations of one instance.

    :param owner_id: this process, as the index knows it.
    """

    def __init__(self, settings: Settings, index: Index, live_set: LiveSet, owner_id: str) -> None:
        self._settings = settings
        self._index = index
        self._live_set = live_set
        self._owner_id = owner_id
        self.models = Models(settings)
        # Each turn holds a request of the server, and each that waits does: others have to come through.
        most = max(1, min(settings.max_chat_turns, settings.threads // 2))
        self._gate = Gate(most, max(1, settings.threads // 4), settings.chat_wait_seconds)
        self._making = threading.Lock()
        self._engine: Engine | None = None
        self._running: dict[str, Run] = {}

    @property
    def model_name(self) -> str:
        """The model that answers where no plugin requires another."""
        return self.models.default

    def ask(self, question: Question, on_event: Callable[[Event], None] = lambda _: None) -> Answer:
        """Ask, and wait for the answer.

        :param on_event: is told what happens meanwhile, also the end.
        :raises InvalidRequest: the message is empty or too long, or a command that cannot be read.
        :raises NotFound: there is no such thread, or no such plugin to ask.
        :raises ThreadBusy: the thread is still answering.
        :raises TooManyTurns: as many turns run as may.
        :raises ModelFailed: one of its kinds.
        :raises TurnStopped: on request, or because it took too long.
        """
        return self._go(self._begin(question), on_event)

    def stream(self, question: Question) -> EventStream:
        """Ask, and follow what happens. Raises as :meth:`ask` does, but for what fails later, which is an event."""
        run = self._begin(question)
        events = EventStream(run.stopped)

        def go() -> None:
            try:
                self._go(run, events.put)
            except CadenceError:
                pass  # it was an event
            except Exception:
                log.exception("A turn failed.")

        threading.Thread(target=go, name="turn", daemon=True).start()
        return events

    def stop(self, thread_id: str) -> bool:
        """End the turn that runs in a thread; whether one did in this process."""
        run = self._running.get(thread_id)
        if run is not None:
            run.stopped.set()
        return run is not None

    def threads(self, limit: int = 50, after: str | None = None) -> list[ThreadRecord]:
        """The threads, the one that changed last first."""
        return self._index.threads(limit, after)

    def thread(self, thread_id: str) -> tuple[ThreadRecord, list[TurnRecord]]:
        """One thread and its turns.

        :raises NotFound: when there is none.
        """
        record = self._index.thread(thread_id)
        if record is None:
            raise NotFound(f"There is no conversation {thread_id!r}.")
        return record, self._index.turns(thread_id)

    def delete(self, thread_id: str) -> None:
        """Remove a thread and all that is kept of it; a turn that runs in it is stopped.

        :raises NotFound: when there is none.
        """
        self.stop(thread_id)
        self._index.delete_thread(thread_id)
        self._made_engine().forget(thread_id)

    def picture(self) -> Picture:
        """The graph that a turn would run through now."""
        from cadence.chat.graph import picture

        agents = snapshot(self._there(), self._settings.max_chat_agents)
        return picture(agents.names, agents.left_out)

    def close(self) -> None:
        """Stop every turn, wait for them a moment, and close the file of the threads."""
        for run in list(self._running.values()):
            run.stopped.set()
        self._gate.close(_CLOSE_SECONDS)
        with self._making:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    # One turn

    def _begin(self, question: Question) -> Run:
        """Take a turn; whoever does ends it with :meth:`_go`."""
        self._require_sane(question)
        self._gate.enter()
        try:
            before = self._index.turns(question.thread_id) if question.thread_id else []
            self._require_plugins(question, before)
            thread_id = question.thread_id or self._new_thread(question)
            number = self._begin_turn(thread_id, question)
        except BaseException:
            self._gate.leave()
            raise
        run = self._running[thread_id] = Run(question, thread_id, number, before)
        return run

    def _begin_turn(self, thread_id: str, question: Question) -> int:
        try:
            return self._index.begin_turn(thread_id, question, self._owner_id)
        except BaseException:
            if question.thread_id is None:
                self._index.delete_thread(thread_id)  # it was made for this turn
            raise

    def _go(self, run: Run, on_event: Callable[[Event], None]) -> Answer:
        def emit(event: Event) -> None:
            if isinstance(event, ToolEnded):
                run.steps.append(event.step)
            elif isinstance(event, Token):
                run.written += event.text
            on_event(event)

        try:
            with self._ended(run):
                emit(Started(run.thread_id, run.number))
                answer = self._answer(run, emit)
                self._keep(run.answered(answer), run)
        except CadenceError as failure:
            on_event(Broken(failure.status, failure.message, failure.details, run.thread_id))
            raise
        except BaseException:
            on_event(Broken(500, CadenceError.message, "The turn failed; the server's log says more.", run.thread_id))
            raise
        on_event(Final(answer))
        return answer

    @contextmanager
    def _ended(self, run: Run) -> Iterator[None]:
        """Whatever happens, the turn is over afterwards, in the index too."""
        try:
            yield
        except TurnStopped as failure:
            self._keep(run.failed("stopped", failure.in_words), run)
            raise
        except CadenceError as failure:
            self._keep(run.failed("failed", f"{failure.message}: {failure.in_words}"), run)
            raise
        except BaseException:
            self._keep(run.failed("failed", "Something went wrong on the server."), run)
            raise
        finally:
            self._running.pop(run.thread_id, None)
            self._gate.leave()

    def _answer(self, run: Run, emit: Callable[[Event], None]) -> Answer:
        if command := command_of(run.question.message):
            return self._commanded(command, run, emit)
        asked, live = run.question, self._there()
        gone = participants.gone(run.before, asked.plugins, {plugin.record.ref.name for plugin in live})
        kept = participants.used(run.before)
        agents = snapshot(live, self._settings.max_chat_agents, asked.message, asked.plugins, kept)
        with self.models.tracing(), self._turn(run, agents, emit, gone) as turn:
            response = self._made_engine().run(run.thread_id, asked.message, turn)
        notices = participants.notices(run.before, gone)
        model_ms = round(turn.model_seconds * 1000, 3)
        return run.answer(response, model=turn.model_name, limit=turn.limit, notices=notices, model_ms=model_ms)

    def _turn(self, run: Run, agents: Snapshot, emit: Callable[[Event], None], gone: Sequence[str] = ()) -> Turn:
        settings = self._settings
        bounds = Bounds(settings.max_agent_hops, settings.turn_seconds, settings.chat_history_characters)
        tone = run.question.tone
        return Turn(agents, self._live_set, self.models, bounds, emit, run.stopped, tone=tone, gone=gone)

    def _commanded(self, command: str, run: Run, emit: Callable[[Event], None]) -> Answer:
        """Answer what needs no model."""
        if command == "call":
            response = self._called(run, emit)
        elif command == "tools":
            names = run.question.plugins
            response = tools_in_words(one for one in self._there() if names is None or one.record.ref.name in names)
        else:
            response = HELP
        emit(Token(response))
        self._made_engine().note(run.thread_id, run.question.message, response)
        return run.answer(response)

    def _called(self, run: Run, emit: Callable[[Event], None]) -> str:
        wanted = read_call(run.question.message)
        with self._turn(run, Snapshot(), emit) as turn:
            (step,) = turn.call(wanted.plugin, [wanted.as_tool_call(uuid.uuid4().hex[:12])], parallel=False)
        return step_line(step).removeprefix("- ")

    def _keep(self, record: TurnRecord, run: Run) -> None:
        self._index.end_turn(run.thread_id, run.number, record)
        if self._index.thread(run.thread_id) is None and self._engine is not None:
            self._engine.forget(run.thread_id)  # it was deleted meanwhile

    def _there(self) -> list[LivePlugin]:
        """The plugins that can answer."""
        return [plugin for plugin in self._live_set.plugins() if plugin.status != "failed"]

    # What is asked

    def _require_sane(self, question: Question) -> None:
        faults = []
        if not question.message.strip():
            faults.append("The message is empty.")
        if len(question.message) > (most := self._settings.max_chat_characters):
            faults.append(f"The message has {len(question.message)} characters; at most {most} are taken.")
        if question.tone and len(question.tone) > _MAX_TONE_CHARACTERS:
            faults.append(f"The tone has {len(question.tone)} characters; at most {_MAX_TONE_CHARACTERS} are taken.")
        if faults:
            raise InvalidRequest(*faults)
        if command_of(question.message) == "call":
            read_call(question.message)
        if question.thread_id is not None and self._index.thread(question.thread_id) is None:
            raise NotFound(f"There is no conversation {question.thread_id!r}. Leave it out to begin a new one.")

    def _require_plugins(self, question: Question, before: Sequence[TurnRecord]) -> None:
        """A plugin that a conversation had to do with may be gone; one that never was there cannot be asked."""
        known = {plugin.record.ref.name for plugin in self._live_set.plugins()} | set(participants.used(before))
        unknown = [name for name in question.plugins or () if name not in known]
        if unknown:
            raise NotFound(*(f"There is no plugin {name!r} that could answer." for name in unknown))

    def _new_thread(self, question: Question) -> str:
        thread = new_thread(question.message)
        self._index.create_thread(thread)
        return thread.id

    def _made_engine(self) -> "Engine":
        with self._making:
            if self._engine is None:
                from cadence.chat.engine import Engine

                self._engine = Engine(self._settings.instance / "threads.db", self._settings.graph_recursion_limit)
            return self._engine
