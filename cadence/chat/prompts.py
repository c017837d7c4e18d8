"""The words that models read, in one place: what each role is told, and how results are written down for the next.

They are plain sentences and lines for any model. The rule-based one (:mod:`cadence.chat.offline`) reads the same, by
:func:`read_steps`.
"""

import json
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from cadence.chat.values import FINALIZE, GOTO, Step

COORDINATOR = (
    "You coordinate agents. For each part of what the person asks that one of them can do, hand over to it by its"
    f" {GOTO} tool, one at a time, and say in `task` what it is to do, with every detail the person gave. What it"
    f" reports comes back to you. Once the question is dealt with, or no agent fits, call {FINALIZE}. Do not answer"
    " from your own knowledge what an agent can do."
)
AGENT = (
    "Work on the task only with your tools; call several at once where none needs the result of another. When it is"
    " done, or cannot be done, say in a sentence or two what came of it, or which detail you would have to be told."
)
SYNTHESIZER = (
    "Write the answer for the person from what the agents found, in the language of the question. Use their results as"
    " they are, say plainly what failed, and add nothing that nobody found."
)
#: Begins the message that the synthesizer answers.
FINDINGS = "What the agents found:"
NOTHING_FOUND = "- nothing"
#: Begins, in the message that an agent answers, what the person wrote, where its task is only a part of that.
WROTE = "The person wrote:"
#: Begins, in the same, the lines of what was found before.
SO_FAR = "Results so far:"

_STEP = re.compile(
    r"^- (?P<agent>\S+) (?P<version>\S+): (?P<tool>[^\s(]+)\((?P<args>.*?)\) (?P<how>->|failed:) (?P<what>.*)$"
)
_SAID = re.compile(r"^- (?P<agent>\S+) says: (?P<what>.*)$")
_MOST_CHARACTERS = 4000


class Found(Struct, frozen=True):
    """A line of what was found: a call of a tool by an agent, or, without ``tool``, what the agent says.

    ``args`` is as it stands in the line, ``what`` the result as JSON, or the words.
    """

    agent: str
    what: str
    tool: str = ""
    args: str = ""
    failed: bool = False


def handover(message: str, task: str, steps: Iterable[Step]) -> str:
    """What the agent is told: its task, what the person wrote, and the results there are."""
    lines = [task] if task.strip() == message.strip() else [task, "", f"{WROTE} {message}"]
    found = [step_line(step) for step in steps]
    return "\n".join([*lines, "", SO_FAR, *found] if found else lines)


def findings(steps: Iterable[Step], reports: Iterable[tuple[str, str]]) -> str:
    """What the synthesizer is told: every result, and what each agent said (its name and its words)."""
    lines = [step_line(step) for step in steps]
    lines += [f"- {agent} says: {_line(words)}" for agent, words in reports if words.strip()]
    return "\n".join([FINDINGS, *(lines or [NOTHING_FOUND])])


def step_line(step: Step) -> str:
    """``- math_plugin 1.0.0: add(a=2, b=3) -> 5``."""
    args = ", ".join(f"{name}={_json(value)}" for name, value in step.args.items())
    came = f"-> {_json(step.result)}" if step.error is None else f"failed: {_line(step.error)}"
    return f"- {step.agent} {step.plugin_version or '-'}: {step.tool}({args}) {came}"


def read_steps(text: str) -> list[Found]:
    """The lines of :func:`findings` and :func:`handover` as they were written."""
    return [found for line in text.splitlines() if (found := _read(line)) is not None]


def _read(line: str) -> Found | None:
    if step := _STEP.match(line):
        return Found(step["agent"], step["what"], step["tool"], step["args"], failed=step["how"] != "->")
    said = _SAID.match(line)
    return Found(said["agent"], said["what"]) if said else None


def coordinator_prompt(agents: Sequence[str], tone: str | None, gone: Sequence[str] = ()) -> str:
    """The coordinator's system prompt.

    :param gone: names of agents that this conversation had to do with and that are not there any more.
    """
    there = f" The agents: {', '.join(agents)}." if agents else " There is no agent at the moment."
    missed = f" Not there any more: {', '.join(gone)}." if gone else ""
    return COORDINATOR + there + missed + _tone(tone)


def synthesizer_prompt(suggestions: Sequence[str], tone: str | None) -> str:
    """The synthesizer's, with what the plugins suggest for their answers."""
    suggested = "".join(f" {suggestion.strip()}" for suggestion in suggestions if suggestion.strip())
    return SYNTHESIZER + (f" The plugins suggest:{suggested}" if suggested else "") + _tone(tone)


def _tone(tone: str | None) -> str:
    return f" The tone of the answer: {tone}." if tone else ""


def _json(value: object) -> str:
    return _line(json.dumps(value, ensure_ascii=False))


def _line(text: str) -> str:
    """On one line, and no longer than a model can do with."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]} …"
