"""A turn without processes: the offline model plays every role, tools are functions, and the graph is a loop."""

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool as as_tool
from langchain_core.utils.function_calling import convert_to_openai_tool

from cadence.chat import prompts
from cadence.chat.offline import OfflineModel
from cadence.chat.snapshot import Offered
from cadence.chat.values import FINALIZE, GOTO, Step

#: More rounds than this are a loop.
_MOST_ROUNDS = 200
_FINALIZE = {"name": FINALIZE, "description": "End.", "parameters": {"type": "object", "properties": {}}}

Made = tuple[str, dict[str, Any]]


def spec(function: Callable[..., Any]) -> dict[str, Any]:
    """A function as a tool is offered, with the schema of its annotations."""
    found = convert_to_openai_tool(as_tool(function))["function"]
    return cast(dict[str, Any], found)


def offered(name: str, description: str = "", parameters: Any = None) -> dict[str, Any]:
    return {"name": name, "description": description, "parameters": parameters or {"type": "object", "properties": {}}}


def answered(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]] = ()) -> AIMessage:
    """What the model says, both at once and in pieces, which have to be the same."""
    model = OfflineModel()
    asked = model.bind_tools(tools, parallel_tool_calls=True) if tools else model
    answer = asked.invoke(list(messages))
    pieces = list(asked.stream(list(messages)))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = cast(Any, whole + piece)
    assert str(whole.text) == str(answer.text)
    assert made(whole) == made(answer)
    return answer


def made(answer: AIMessage) -> list[Made]:
    assert len({call["id"] for call in answer.tool_calls}) == len(answer.tool_calls)
    return [(call["name"], call["args"]) for call in answer.tool_calls]


class Plugin:
    """A plugin of functions, whose docstrings and annotations are all that the model is told."""

    def __init__(self, name: str, description: str, *tools: Callable[..., Any], able: Sequence[str] = ()) -> None:
        self.name = name
        self.functions = {tool.__name__: tool for tool in tools}
        self.specs = [spec(tool) for tool in tools]
        told = tuple((tool.__name__, inspect.getdoc(tool) or "") for tool in tools)
        self.goto = Offered(name, "1.0.0", description, tuple(able), told, {}, None).tool


class Dialogue:
    """A conversation with plugins. ``calls`` are those of the last turn, ``batches`` the same as they were made,
    ``tasks`` what was handed over to whom.
    """

    def __init__(self, *plugins: Plugin) -> None:
        self.plugins = {plugin.name: plugin for plugin in plugins}
        self.past: list[BaseMessage] = []
        self.batches: list[list[Made]] = []
        self.tasks: list[tuple[str, str]] = []
        self.steps: list[Step] = []

    @property
    def calls(self) -> list[Made]:
        return [call for batch in self.batches for call in batch]

    def ask(self, message: str) -> str:
        self.batches, self.tasks, self.steps = [], [], []
        answer = self._coordinated(message)
        self.past += [HumanMessage(message), AIMessage(answer)]
        return answer

    def _coordinated(self, message: str) -> str:
        system = SystemMessage(prompts.coordinator_prompt(list(self.plugins), None))
        moves: list[BaseMessage] = []
        reports: list[tuple[str, str]] = []
        for _ in range(_MOST_ROUNDS):
            tools = [*(plugin.goto for plugin in self.plugins.values()), _FINALIZE]
            answer = answered([system, *self.past, HumanMessage(message), *moves], tools)
            if not answer.tool_calls:
                return str(answer.text)
            call = answer.tool_calls[0]
            if call["name"] == FINALIZE:
                return self._synthesized(message, reports)
            name, task = call["name"].removeprefix(GOTO), call["args"]["task"]
            assert (name, task) not in self.tasks, "the same task twice"
            self.tasks.append((name, task))
            report = self._worked(self.plugins[name], prompts.handover(message, task, self.steps))
            reports.append((name, report))
            moves += [answer, ToolMessage(report, tool_call_id=call["id"] or "")]
        raise AssertionError("the coordinator goes on for ever")

    def _worked(self, plugin: Plugin, brief: str) -> str:
        messages = [SystemMessage(f"You are an agent.\n\n{prompts.AGENT}"), *self.past, HumanMessage(brief)]
        for _ in range(_MOST_ROUNDS):
            answer = answered(messages, plugin.specs)
            if not answer.tool_calls:
                return str(answer.text)
            self.batches.append(made(answer))
            messages += [answer, *(self._called(plugin, cast(dict[str, Any], call)) for call in answer.tool_calls)]
        raise AssertionError("the agent goes on for ever")

    def _called(self, plugin: Plugin, call: dict[str, Any]) -> ToolMessage:
        try:
            result = plugin.functions[call["name"]](**call["args"])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as failure:
            self.steps.append(Step(call["id"], plugin.name, call["name"], call["args"], error=str(failure)))
            return ToolMessage(str(failure), tool_call_id=call["id"], status="error")
        self.steps.append(Step(call["id"], plugin.name, call["name"], call["args"], result, plugin_version="1.0.0"))
        return ToolMessage(json.dumps(result), tool_call_id=call["id"])

    def _synthesized(self, message: str, reports: Sequence[tuple[str, str]]) -> str:
        found = prompts.findings(self.steps, reports)
        system = SystemMessage(prompts.synthesizer_prompt([], "cheerful"))
        return str(answered([system, *self.past, HumanMessage(message), HumanMessage(found)]).text)
