"""The sentences of the offline model. It has no tone but this."""

import json
import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from cadence.chat.offline.schema import ANY, ARRAY, BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, Parameter
from cadence.chat.offline.words import OPERATIONS, concepts_of, parts

#: What an agent reports when all that was wanted is in the results.
DONE = "Done."
_KINDS = {
    NUMBER: "number",
    INTEGER: "whole number",
    STRING: "text",
    BOOLEAN: "yes or no",
    ARRAY: "list",
    OBJECT: "JSON object",
    ANY: "value",
}
_MOST_CHOICES = 8
_MOST_TOLD = 6
_LONGEST_QUOTED = 120
_PLAIN_CHOICE = re.compile(r"[\w -]{1,40}")
_QUESTION = re.compile(r"To call (\S{1,100}) I need ([^.\n]{1,500})\. ")
_NEEDED = re.compile(r"(?:^|, | and )(\w{1,100}) \(([^()]*)\)")


class Asked(Struct, frozen=True):
    """What a question asks for: the tool, and each parameter with the word for its kind."""

    tool: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def wants_text(self) -> bool:
        """Whether it asks for one thing, a text."""
        return len(self.parameters) == 1 and self.parameters[0][1] in (_KINDS[STRING], _KINDS[ANY])


class Introduction(Struct, frozen=True):
    """An agent, to those who do not know it: its name, what it does, and its tools."""

    name: str
    description: str
    tools: tuple[str, ...]


def question(tool: str, missing: Sequence[Parameter], parameters: Sequence[Parameter]) -> str:
    """Ask for arguments; :func:`asked` reads it.

    :param missing: the parameters to ask for.
    :param parameters: all of the tool.
    """
    needed = _listed([f"{parameter.name} ({_kind(parameter)})" for parameter in missing])
    described = [(one.name, " ".join(one.description.split()).rstrip(".")) for one in missing]
    told = "; ".join(f"{name}: {words[:200]}" for name, words in described if words)
    return " ".join(
        [
            f"To call {tool} I need {needed}.",
            *([f"({told}.)"] if told else []),
            f"For example: {example(tool, parameters)}",
        ]
    )


def asked(text: str) -> Asked | None:
    """The last question that a text asks."""
    found = max(_QUESTION.finditer(text), key=re.Match.start, default=None)
    parameters = tuple(_NEEDED.findall(found[2])) if found else ()
    return Asked(found[1], parameters) if found and parameters else None


def example(tool: str, parameters: Sequence[Parameter]) -> str:
    """A message that calls the tool with all that it needs."""
    required = [parameter for parameter in parameters if parameter.required]
    words = " ".join(parts(tool)) or tool
    values = iter((12, 7, 3, 5, 8, 4, 9, 6))
    if all(parameter.is_number for parameter in required) and len(required) <= 2:
        return f"{words} {' and '.join(_sample(parameter, next(values)) for parameter in required)}".strip()
    told = [f"{parameter.name}={_sample(parameter, next(values, 1))}" for parameter in required]
    return f"{words} with {', '.join(told)}"


def failed(tool: str, error: str) -> str:
    """Say that a call failed."""
    return f"{tool} failed: {error}"


def blocked(tool: str) -> str:
    """Say that a call was not made for want of a result."""
    return f"{tool} was not called, because it needs a result that did not come."


def unfit(tool: str, parameter: Parameter) -> str:
    """Say that a result cannot be the argument it was meant to be."""
    return f"{tool} was not called: the result before it is no {_KINDS[parameter.kind]}, as {parameter.name} has to be."


def unplaced(text: str, tools: Sequence[str]) -> str:
    """Say that no tool fits."""
    short = " ".join(text.split())
    short = short if len(short) <= _LONGEST_QUOTED else f"{short[:_LONGEST_QUOTED]} …"
    return f"I have no tool for “{short}”. My tools: {_few(tools)}."


def no_tool(tools: Sequence[str]) -> str:
    """Say that no tool fits the task at all."""
    return f"None of my tools fits. They are: {_few(tools)}." if tools else "I have no tools."


def overlong(most: int) -> str:
    """Say that a task asks for too much."""
    return f"I did nothing of this: as the offline model I make at most {most} calls in one task. Ask for it in parts."


def introduction(agents: Sequence[Introduction], *, fits: bool = False) -> str:
    """Say what this model is, and what can be asked of it.

    :param fits: whether nothing was asked that an agent would have to fit.
    """
    lines = [
        "I am the offline model: rules, and no language model. I choose agents and tools by the words of a message."
        + ("" if fits or not agents else " No agent fits this one.")
    ]
    if not agents:
        return f"{lines[0]} No agent is there to answer: upload a plugin first.\n{_OTHER_MODELS}"
    lines += ["These are there:", *map(_introduced, agents[:_MOST_TOLD])]
    lines += [f"- and {len(agents) - _MOST_TOLD} more"] * (len(agents) > _MOST_TOLD)
    lines.append(f"Say /tools for all their tools, or call one by name: {_command(agents)}")
    return "\n".join([*lines, _OTHER_MODELS])


_OTHER_MODELS = "To talk with a language model, set CADENCE_LLM, such as openai:gpt-4.1, with its key."


def _introduced(agent: Introduction) -> str:
    tools = f" Tools: {_few(agent.tools)}." if agent.tools else ""
    tried = f" For example: {_request(agent.tools[0])}" if agent.tools else ""
    return f"- {agent.name}: {agent.description.rstrip('.')}.{tools}{tried}"


def _request(tool: str) -> str:
    calculates = not OPERATIONS.isdisjoint(concepts_of(tool))
    return " ".join([*parts(tool), *(["12 and 7"] if calculates else [])]) or tool


def _command(agents: Sequence[Introduction]) -> str:
    for agent in agents:
        for tool in agent.tools:
            if not OPERATIONS.isdisjoint(concepts_of(tool)):
                return f"/call {agent.name}.{tool} a=2 b=3"
    agent = next((agent for agent in agents if agent.tools), agents[0])
    return f"/call {agent.name}.{agent.tools[0] if agent.tools else 'tool'} name=value"


def _kind(parameter: Parameter) -> str:
    choices = [str(choice) for choice in parameter.choices[:_MOST_CHOICES]]
    if choices and all(_PLAIN_CHOICE.fullmatch(choice) for choice in choices):
        return ", ".join(choices) + (", …" if len(parameter.choices) > _MOST_CHOICES else "")
    return _KINDS[parameter.kind]


def _sample(parameter: Parameter, number: int) -> str:
    if parameter.choices:
        return json.dumps(parameter.choices[0], ensure_ascii=False)
    if parameter.is_number:
        return f"{_within(parameter, number):g}"
    if parameter.kind == ARRAY:
        return "[1, 2]" if parameter.item in (NUMBER, INTEGER) else f"[{_sample_item(parameter)}]"
    samples: dict[str, Any] = {BOOLEAN: True, OBJECT: _fields(parameter)}
    return json.dumps(samples.get(parameter.kind, "some text"))


def _sample_item(parameter: Parameter) -> str:
    return json.dumps(_fields(parameter)) if parameter.item == OBJECT else '"some text"'


def _fields(parameter: Parameter) -> dict[str, str]:
    return dict.fromkeys((field.name for field in parameter.fields), "some text")


def _within(parameter: Parameter, number: int) -> float:
    if parameter.least is not None and number < parameter.least:
        return parameter.least
    return parameter.most if parameter.most is not None and number > parameter.most else number


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    return ", ".join(names[:_MOST_TOLD]) + more


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
