"""The nodes of the graph: each takes the state and the turn, and says what changed and which node is next."""

import json
from typing import Any, Protocol, TypeAlias

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    messages_to_dict,
)
from langgraph.runtime import Runtime

from cadence.chat import prompts
from cadence.chat.state import State, past, question
from cadence.chat.turn import Context, Turn
from cadence.chat.values import FINALIZE, GOTO, AgentEnded, AgentStarted, Step, Token
from cadence.errors import CadenceError, CallFailed, InvalidArguments, NotFound
from cadence.runtime.hold import Hold

COORDINATOR = "coordinator"
SYNTHESIZER = "synthesizer"
SUSPEND = "suspend"
#: Steps of the graph that have to be left for a node to go on: itself, one that follows, and the end.
_STEPS_NEEDED = 3
#: How much of a tool's result a model is shown, in characters.
_MOST_RESULT_CHARACTERS = 20_000
_FINALIZE_TOOL = {
    "name": FINALIZE,
    "description": "End the search: the question is dealt with, or no agent fits.",
    "parameters": {"type": "object", "properties": {}},
}

Update: TypeAlias = dict[str, Any]


class Node(Protocol):
    """What LangGraph runs."""

    def __call__(self, state: State, *, runtime: Runtime[Context]) -> Update:
        """What changed."""
        ...


def agent_node(name: str) -> str:
    """The node of a plugin's agent."""
    return f"{name}_agent"


def tools_node(name: str) -> str:
    """The node of its tools."""
    return f"{name}_tools"


def coordinator(state: State, runtime: Runtime[Context]) -> Update:
    """Choose the agent that works next, or end the search."""
    turn = runtime.context.turn
    if limit := _limit(state, turn):
        return {"limit": limit, "next": SUSPEND}
    answer = turn.ask(turn.model(), _coordinator_messages(state, turn), _coordinator_tools(state, turn))
    goto = _goto(answer, state, turn)
    if goto is not None:
        moves = [*state["moves"], answer, *_others(answer, goto)]
        begun = {"moves": moves, "pending": goto["id"], "hops": state["hops"] + 1}
        return begun | _hand_over(state, turn, goto)
    wanted = [call for call in _calls(answer) if call["name"] != FINALIZE]
    if wanted:  # of agents that are not there
        words = [ToolMessage(f"There is no {call['name']}.", tool_call_id=call["id"]) for call in _calls(answer)]
        return {"moves": [*state["moves"], answer, *words], "hops": state["hops"] + 1, "next": COORDINATOR}
    if not _calls(answer) and answer.text.strip():
        turn.emit(Token(str(answer.text)))
        return {"messages": [AIMessage(str(answer.text))], "next": ""}
    return {"next": SYNTHESIZER}


def agent(name: str) -> Node:
    """The node in which the agent of a plugin works."""

    def work(state: State, runtime: Runtime[Context]) -> Update:
        turn = runtime.context.turn
        if state["remaining_steps"] < _STEPS_NEEDED:
            return {"limit": _too_many_steps(), "next": SUSPEND}
        try:
            hold = turn.hold(name)
            prompt = state["prompt"] or f"{hold.prompt()}\n\n{prompts.AGENT}"
            if not state["work"]:
                turn.emit(AgentStarted(name, hold.version, state["brief"].partition("\n")[0]))
            answer = _agent_answer(state, turn, hold, prompt)
            goes_on = _goes_on(hold, state, answer)
        except CadenceError as failure:
            if not is_of_plugin(failure):
                raise
            return _back(state, turn, name, f"It could not work: {failure.in_words}", failed=True)
        if goes_on:
            return {"prompt": prompt, "work": [*state["work"], answer], "next": tools_node(name)}
        return _back(state, turn, name, str(answer.text))

    return work


def tools(name: str) -> Node:
    """The node in which its tools run."""

    def run(state: State, runtime: Runtime[Context]) -> Update:
        turn = runtime.context.turn
        turn.require_going_on()
        answer = state["work"][-1]
        assert isinstance(answer, AIMessage)
        parallel = turn.hold(name).report.parallel_tool_calls
        steps = turn.call(name, answer.tool_calls, parallel=parallel)
        results = [_result(step) for step in steps]
        results += [
            ToolMessage("The arguments are no JSON object.", tool_call_id=call["id"] or "", status="error")
            for call in answer.invalid_tool_calls
        ]
        return {"work": [*state["work"], *results], "next": agent_node(name)}

    return run


def suspend(state: State, runtime: Runtime[Context]) -> Update:
    """Explain that a limit was reached, with what was found by then."""
    turn = runtime.context.turn
    turn.limit = state["limit"]
    found = [prompts.step_line(step) for step in turn.steps]
    words = "\n".join([state["limit"], *(["So far:", *found] if found else [])])
    turn.emit(Token(words))
    return {"messages": [AIMessage(words)]}


def synthesizer(state: State, runtime: Runtime[Context]) -> Update:
    """Write the answer from what was found."""
    turn = runtime.context.turn
    suggestions = [
        agent.suggestion for agent in turn.agents.agents if agent.suggestion and _took_part(agent.name, turn)
    ]
    messages = [
        SystemMessage(prompts.synthesizer_prompt(suggestions, turn.tone)),
        *past(state["messages"], turn.bounds.history_characters),
        HumanMessage(question(state)),
        HumanMessage(prompts.findings(turn.steps, state["reports"])),
    ]
    answer = turn.ask(turn.model(), messages, on_token=lambda text: turn.emit(Token(text)))
    return {"messages": [AIMessage(str(answer.text))]}


def next_node(state: State) -> str:
    """The node that the last one chose; the end where it chose none."""
    return state["next"]


def is_of_plugin(failure: CadenceError) -> bool:
    """Whether a plugin failed, and not the model or the turn."""
    return isinstance(failure, CallFailed | NotFound | InvalidArguments)


def _limit(state: State, turn: Turn) -> str:
    if state["hops"] >= turn.bounds.hops:
        return (
            f"I stopped here: this turn handed over to agents {state['hops']} times, as often as it may"
            " (CADENCE_MAX_AGENT_HOPS)."
        )
    return _too_many_steps() if state["remaining_steps"] < _STEPS_NEEDED else ""


def _too_many_steps() -> str:
    return "I stopped here: this turn took as many steps of the graph as it may (CADENCE_GRAPH_RECURSION_LIMIT)."


def _coordinator_messages(state: State, turn: Turn) -> list[BaseMessage]:
    names = [name for name in turn.agents.names if name not in state["failed"]]
    prompt = prompts.coordinator_prompt(names, turn.tone, turn.gone)
    shown = past(state["messages"], turn.bounds.history_characters)
    return [SystemMessage(prompt), *shown, HumanMessage(question(state)), *state["moves"]]


def _coordinator_tools(state: State, turn: Turn) -> list[dict[str, Any]]:
    return [*(agent.tool for agent in turn.agents.agents if agent.name not in state["failed"]), _FINALIZE_TOOL]


def _calls(answer: AIMessage) -> list[ToolCall]:
    """All calls of a message; those that could not be read have no arguments."""
    unread = [ToolCall(name=call["name"] or "", args={}, id=call["id"] or "") for call in answer.invalid_tool_calls]
    return [*answer.tool_calls, *unread]


def _goto(answer: AIMessage, state: State, turn: Turn) -> ToolCall | None:
    """The first hand-over to an agent that is there and works."""
    there = {f"{GOTO}{name}" for name in turn.agents.names if name not in state["failed"]}
    return next((call for call in _calls(answer) if call["name"] in there), None)


def _others(answer: AIMessage, goto: ToolCall) -> list[ToolMessage]:
    """Every call has to be answered, those too that are not followed."""
    words = "Not done: one agent works at a time. Ask again after this one."
    return [ToolMessage(words, tool_call_id=call["id"]) for call in _calls(answer) if call is not goto]


def _hand_over(state: State, turn: Turn, goto: ToolCall) -> Update:
    name = goto["name"].removeprefix(GOTO)
    task = str(goto["args"].get("task") or question(state))
    brief = prompts.handover(question(state), task, turn.steps)
    return {"agent": name, "brief": brief, "prompt": "", "work": [], "next": agent_node(name)}


def _agent_answer(state: State, turn: Turn, hold: Hold, prompt: str) -> AIMessage:
    messages = [
        SystemMessage(prompt),
        *past(state["messages"], turn.bounds.history_characters),
        HumanMessage(state["brief"]),
        *state["work"],
    ]
    specs = [
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
        for tool in hold.report.tools
    ]
    return turn.ask(turn.model(hold.name), messages, specs, parallel=hold.report.parallel_tool_calls)


def _goes_on(hold: Hold, state: State, answer: AIMessage) -> bool:
    """Whether tools are next: as the plugin decides it where it does, else when the model called some."""
    if hold.report.routes:
        messages = [HumanMessage(state["brief"]), *state["work"], answer]
        return hold.route(messages_to_dict(messages)) == "continue"
    return bool(answer.tool_calls or answer.invalid_tool_calls)


def _back(state: State, turn: Turn, name: str, words: str, *, failed: bool = False) -> Update:
    """The agent gives back to the coordinator."""
    turn.emit(AgentEnded(name, "" if failed else words, words if failed else None))
    report = ToolMessage(_report(state, words), tool_call_id=state["pending"], status="error" if failed else "success")
    return {
        "moves": [*state["moves"], report],
        "reports": [*state["reports"], (name, words)],
        "failed": [*state["failed"], name] if failed else state["failed"],
        "agent": "",
        "pending": "",
        "work": [],
        "next": COORDINATOR,
    }


def _report(state: State, words: str) -> str:
    """What the coordinator is told: the agent's words, and what its tools answered."""
    results = [str(message.text) for message in state["work"] if isinstance(message, ToolMessage)]
    return "\n".join([words, *(f"Result: {_shortened(result)}" for result in results)]).strip() or "Done."


def _result(step: Step) -> ToolMessage:
    if step.error is not None:
        return ToolMessage(step.error, tool_call_id=step.id, name=step.tool, status="error")
    content = json.dumps(step.result, ensure_ascii=False)
    return ToolMessage(_shortened(content), tool_call_id=step.id, name=step.tool)


def _shortened(text: str) -> str:
    cut = len(text) - _MOST_RESULT_CHARACTERS
    return text if cut <= 0 else f"{text[:_MOST_RESULT_CHARACTERS]} … ({cut} more characters)"


def _took_part(name: str, turn: Turn) -> bool:
    return any(step.agent == name for step in turn.steps)
