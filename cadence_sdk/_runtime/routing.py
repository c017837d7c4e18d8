"""What a conversation asks of an agent beside its tools: its prompt, and where the graph goes after it has answered.

The messages come as plain data and are made LangChain's again here, where the plugin's code looks at them. LangChain is
imported when that is first needed: most agents do not decide this themselves.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from cadence_sdk._runtime.failure import describe
from cadence_sdk.base.agent import BaseAgent
from cadence_sdk.utils.validation import prompt_errors

#: What ``should_continue`` may return: to the tools, or back to the coordinator.
DECISIONS = ("continue", "back")


class AnswerInvalid(Exception):
    """An agent answered with what is no answer to the question; the words say what it was."""


def prompt_of(agent: BaseAgent) -> str:
    """The agent's system prompt as it is now.

    :raises AnswerInvalid: when it is no text, or none that can be written down.
    :raises BaseException: whatever ``get_system_prompt()`` raises.
    """
    prompt = agent.get_system_prompt()
    if errors := prompt_errors(prompt):
        raise AnswerInvalid(" ".join(errors))
    text = str.__str__(prompt)  # the base class's method, not a subclass's own: what goes out is a plain string
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AnswerInvalid(f"get_system_prompt() returned text that is no valid Unicode: {error}.") from None
    return text


def routes(agent: BaseAgent) -> bool:
    """Whether the agent decides itself when to go on, instead of by the model's calls."""
    return agent.should_continue is not BaseAgent.should_continue


def route(agent: BaseAgent, messages: Sequence[Any]) -> str:
    """``continue`` or ``back``, as the agent decides it.

    :param messages: as of LangChain's ``messages_to_dict``.
    :raises AnswerInvalid: when it returned something else.
    :raises BaseException: whatever ``should_continue()`` raises.
    """
    from langchain_core.messages import messages_from_dict

    decision = agent.should_continue({"messages": messages_from_dict(list(messages))})
    if inspect.iscoroutine(decision):
        decision.close()
        raise AnswerInvalid("should_continue() must not be async.")
    if decision not in DECISIONS or not isinstance(decision, str):
        shown = repr(decision)[:80] if isinstance(decision, str) else type(decision).__name__
        raise AnswerInvalid(f"should_continue() must return 'continue' or 'back', not {shown}.")
    return str(decision)


def routing_warnings(agent: BaseAgent) -> Iterator[str]:
    """What is odd about the routing of an agent that decides it itself, tried with two plain messages.

    They are no faults: it may depend on a conversation that there is not yet.
    """
    if not routes(agent):
        return
    call = {"name": "tool", "args": {}, "id": "1", "type": "tool_call"}
    for what, calls in (("that calls a tool", [call]), ("without calls", [])):
        message = {"type": "ai", "data": {"content": "", "tool_calls": calls}}
        try:
            route(agent, [message])
        except BaseException as error:  # noqa: BLE001  (a plugin may raise anything, SystemExit too)
            words = str(error) if isinstance(error, AnswerInvalid) else f"should_continue() raised {describe(error)}."
            yield f"Tried with a message {what}: {words}"
