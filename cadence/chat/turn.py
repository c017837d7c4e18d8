"""One turn as it runs: what its nodes share, and what they do to the world: models, workers, the listener."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cadence.chat.snapshot import Snapshot
from cadence.chat.values import Event, Step, ToolEnded, ToolStarted
from cadence.errors import CadenceError, NotFound, TurnStopped
from cadence.progress import Flag
from cadence.runtime.hold import Hold
from cadence.runtime.live_set import LiveSet

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, BaseMessage, ToolCall

    from cadence.chat.models import Model, Models

#: Calls of one turn that run at once.
_MAX_PARALLEL = 16
_POLL_SECONDS = 0.05


class Bounds(Struct, frozen=True):
    """How far a turn may go."""

    hops: int
    seconds: float
    history_characters: int


@dataclass(frozen=True)
class Context:
    """What LangGraph hands to the nodes of a run beside the state."""

    turn: "Turn"


class Turn:
    """One turn.

    :param agents: the agents it may hand over to.
    :param emit: is told what happens; called by one thread at a time.
    :ivar steps: the calls of tools so far, as they ended.
    :ivar model_name: of the model that was asked last.
    """

    def __init__(
        self,
        agents: Snapshot,
        live_set: LiveSet,
        models: "Models",
        bounds: Bounds,
        emit: Callable[[Event], None],
        stopped: Flag,
        *,
        tone: str | None = None,
        gone: Sequence[str] = (),
    ) -> None:
        self.agents = agents
        self.bounds = bounds
        self.tone = tone
        self.gone = tuple(gone)
        self.steps: list[Step] = []
        self.model_name = ""
        self.model_seconds = 0.0
        self.limit: str | None = None
        self._live_set = live_set
        self._models = models
        self._emit = emit
        self._emitting = threading.Lock()
        self._stopped = stopped
        self._deadline = time.monotonic() + bounds.seconds
        self._holds: dict[str, Hold] = {}

    def __enter__(self) -> "Turn":
        """Keep what answers now for as long as the turn lasts."""
        try:
            for name in self.agents.names:
                self._keep(name, wake=False)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all workers."""
        while self._holds:
            self._holds.popitem()[1].close()

    def emit(self, event: Event) -> None:
        """Tell whoever listens."""
        with self._emitting:
            self._emit(event)

    def hold(self, name: str) -> Hold:
        """The version of a plugin that answers in this turn. Raises as :meth:`LiveSet.hold`."""
        if name not in self._holds:
            self._keep(name, wake=True)
        return self._holds[name]

    def require_going_on(self) -> None:
        """See that the turn is still wanted and has time.

        :raises TurnStopped: otherwise.
        """
        if self._stopped.is_set():
            raise TurnStopped("The turn was stopped.")
        if time.monotonic() > self._deadline:
            words = f"The turn took longer than {self.bounds.seconds:g} s (CADENCE_TURN_SECONDS) and was ended."
            raise TurnStopped(words)

    def model(self, name: str | None = None) -> "Model":
        """The model that plays a role: that of an agent, by what its plugin requires, or the default."""
        agent = self.agents.agent(name) if name else None
        return self._models.model(agent.requirements if agent else None)

    def ask(
        self,
        model: "Model",
        messages: "Sequence[BaseMessage]",
        tools: Sequence[dict[str, Any]] = (),
        *,
        parallel: bool = False,
        on_token: Callable[[str], None] | None = None,
    ) -> "AIMessage":
        """Ask a model. Raises as :meth:`Model.answer`, and as :meth:`require_going_on`."""
        self.require_going_on()
        self.model_name = model.name
        started = time.monotonic()
        try:
            return model.answer(
                messages,
                tools,
                parallel=parallel,
                on_token=on_token,
                cancelled=self._stopped,
                deadline=self._deadline,
            )
        finally:
            self.model_seconds += time.monotonic() - started

    def call(self, agent: str, calls: "Sequence[ToolCall]", *, parallel: bool) -> list[Step]:
        """Call tools of an agent, and give what came of each, in their order. What a tool fails with is in its step.

        :param parallel: whether they may run at once.
        :raises TurnStopped: when the turn is not wanted any more; what still runs is not waited for.
        """
        if len(calls) < 2 or not parallel:
            return [self._steps_of(agent, [call], 1)[0] for call in calls]
        return self._steps_of(agent, calls, min(len(calls), _MAX_PARALLEL))

    def _steps_of(self, agent: str, calls: "Sequence[ToolCall]", threads: int) -> list[Step]:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="turn")
        try:
            running = [pool.submit(self._step, agent, call) for call in calls]
            pending: set[Future[Step]] = set(running)
            while pending:
                self.require_going_on()
                pending = wait(pending, _POLL_SECONDS).not_done
            return [future.result() for future in running]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _step(self, agent: str, call: "ToolCall") -> Step:
        id_, tool, args = call["id"] or "", call["name"], call["args"]
        self.emit(ToolStarted(id_, agent, tool, args))
        started = time.monotonic()
        version = None
        try:
            hold = self.hold(agent)
            version = hold.version
            result = hold.call(tool, args)
        except CadenceError as failure:
            ms = round((time.monotonic() - started) * 1000, 3)
            words = _with_tools(failure, hold) if isinstance(failure, NotFound) and version else failure.in_words
            step = Step(id_, agent, tool, args, error=words, plugin_version=version, ms=ms)
        else:
            step = Step(id_, agent, tool, args, result.result, None, result.plugin_version, result.ms)
        self.steps.append(step)
        self.emit(ToolEnded(step))
        return step

    def _keep(self, name: str, *, wake: bool) -> None:
        try:
            hold = self._live_set.hold(name, wake=wake)
        except CadenceError:
            if wake:
                raise
            return  # whoever needs it later is told why it is not there
        if hold is not None:
            self._holds[name] = hold


def _with_tools(failure: CadenceError, hold: Hold) -> str:
    """What a model needs that called a tool which is not there."""
    return f"{failure.in_words} There are: {', '.join(tool.name for tool in hold.report.tools)}."
