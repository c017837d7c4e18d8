"""Models that follow a script and plugins of a few functions, so that a graph runs without processes and networks."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langgraph.checkpoint.memory import InMemorySaver

from cadence.chat.graph import build, config_of
from cadence.chat.models import Models
from cadence.chat.snapshot import snapshot
from cadence.chat.state import beginning
from cadence.chat.turn import Bounds, Context, Turn
from cadence.chat.values import FINALIZE, GOTO, Event
from cadence.errors import CadenceError, NotFound, PluginUnavailable
from cadence.model import HealthReport, Metadata, PluginRef, ToolResult, ToolSpec, TrialReport, VersionRecord
from cadence.runtime.live_set import LiveSet
from cadence.runtime.slot import LivePlugin
from cadence.runtime.tally import CallTally

#: Says what a model answers that is asked in a role ("coordinator", "synthesizer", or the name of an agent).
Script = Callable[[str, Sequence[BaseMessage]], AIMessage]


def calls(*wanted: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """A message that calls tools; their ids are unique."""
    made = [ToolCall(name=name, args=args, id=f"call-{next(_numbers)}", type="tool_call") for name, args in wanted]
    return AIMessage(text, tool_calls=made)


def goto(name: str, task: str = "the task") -> AIMessage:
    return calls((f"{GOTO}{name}", {"task": task}))


def finalize() -> AIMessage:
    return calls((FINALIZE, {}))


def _count() -> Any:
    number = 0
    while True:
        yield (number := number + 1)


_numbers = _count()


class ScriptedModel:
    name = "scripted"

    def __init__(self, models: "ScriptedModels", role: str | None) -> None:
        self._models = models
        self._role = role

    def answer(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any]] = (),
        *,
        on_token: Callable[[str], None] | None = None,
        **given: Any,
    ) -> AIMessage:
        names = [tool["name"] for tool in tools]
        role = "coordinator" if FINALIZE in names else self._role or "synthesizer"
        self._models.asked.append((role, list(messages), names, given))
        answer = self._models.script(role, messages)
        if on_token is not None:
            for word in answer.text.split(" "):
                on_token(f"{word} ")
        return answer


class ScriptedModels:
    """In the place of :class:`Models`. ``asked`` are role, messages, names of tools, and what else it was given."""

    default = "scripted"

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[tuple[str, list[BaseMessage], list[str], dict[str, Any]]] = []

    def model(self, requirements: Mapping[str, Any] | None = None) -> ScriptedModel:
        return ScriptedModel(self, (requirements or {}).get("role"))

    def tracing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def roles(self) -> list[str]:
        return [role for role, *_ in self.asked]


class Plugin:
    """A plugin of functions. What it was asked is counted; ``routing`` is its ``should_continue``."""

    def __init__(
        self,
        name: str,
        *tools: Callable[..., Any],
        version: str = "1.0.0",
        parallel: bool = True,
        prompt: str | CadenceError = "You are an agent.",
        routing: Callable[[Sequence[dict[str, Any]]], str] | None = None,
        suggestion: str | None = None,
    ) -> None:
        self.name, self.version, self.prompt_, self.routing = name, version, prompt, routing
        self.tools = {tool.__name__: tool for tool in tools}
        self.held = 0
        specs = tuple(ToolSpec(tool.__name__, tool.__doc__ or "", {"type": "object"}) for tool in tools)
        metadata = Metadata(
            name, version, f"The {name}", llm_requirements={"role": name}, response_suggestion=suggestion
        )
        self.report = TrialReport(metadata, specs, parallel, HealthReport(healthy=True), routes=routing is not None)

    def view(self) -> LivePlugin:
        ref = PluginRef(self.name, self.version)
        record = VersionRecord(ref, "", "", 0, "", "upload", active=True, report=self.report)
        return LivePlugin(record, "live", self.report, self.report.health, CallTally().view())


class ScriptedHold:
    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self.name, self.version, self.report = plugin.name, plugin.version, plugin.report
        plugin.held += 1

    def call(self, tool: str, args: Mapping[str, Any]) -> ToolResult:
        found = self._plugin.tools.get(tool)
        if found is None:
            raise NotFound(f"There is no tool {tool!r}.")
        return ToolResult(found(**args), self.version, 1.0)

    def prompt(self) -> str:
        if isinstance(self._plugin.prompt_, CadenceError):
            raise self._plugin.prompt_
        return self._plugin.prompt_

    def route(self, messages: Sequence[dict[str, Any]]) -> str:
        assert self._plugin.routing is not None
        return self._plugin.routing(messages)

    def close(self) -> None:
        self._plugin.held -= 1


class Stage:
    """A graph over scripted plugins, with its threads in memory. ``events`` are those of all turns."""

    def __init__(self, script: Script, *plugins: Plugin, hops: int = 25, recursion_limit: int = 50) -> None:
        self.models = ScriptedModels(script)
        self.plugins = {plugin.name: plugin for plugin in plugins}
        self.events: list[Event] = []
        self.stopped = threading.Event()
        #: Those that sleep, and are gone when they are to wake.
        self.asleep: set[str] = set()
        self.turn: Turn | None = None
        self._saver = InMemorySaver()
        self._bounds = Bounds(hops, 60.0, 10_000)
        self._recursion_limit = recursion_limit

    def hold(self, name: str, *, wake: bool = True) -> ScriptedHold | None:
        if name in self.asleep and not wake:
            return None
        if name not in self.plugins or name in self.asleep:
            raise PluginUnavailable(f"{name} is not there.")
        return ScriptedHold(self.plugins[name])

    def ask(self, message: str, thread: str = "thread", *, tone: str | None = None) -> str:
        agents = snapshot([plugin.view() for plugin in self.plugins.values()], 32)
        live_set, models = cast(LiveSet, self), cast(Models, self.models)
        graph = build(agents.names, self._saver)
        config = config_of(thread, self._recursion_limit)
        with Turn(agents, live_set, models, self._bounds, self.events.append, self.stopped, tone=tone) as turn:
            self.turn = turn
            state = graph.invoke(beginning(message), config, context=Context(turn), durability="exit")
        assert not any(plugin.held for plugin in self.plugins.values())
        return str(state["messages"][-1].text)
