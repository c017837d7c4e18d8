"""The role of an agent: call the tools that its task asks for, and say what is left to say.

It keeps nothing between two messages. Each time it plans the whole task anew, which comes to the same plan, and goes
through it with the results that are there by then; so no call is made more often than it is asked for, and it ends.
"""

import re
from collections.abc import Sequence
from typing import Any

from cadence.chat import prompts
from cadence.chat.offline import wording
from cadence.chat.offline.evaluation import outcomes, parsed, progress
from cadence.chat.offline.exchange import AI, Message, Reply, Tool, after_last_human
from cadence.chat.offline.joining import joined
from cadence.chat.offline.naming import NOTHING
from cadence.chat.offline.planning import MOST_JOBS, Plan, plan

#: A result in an answer of the synthesizer.
_ANSWERED = re.compile(r"[^\s(]{1,100}\(.*\) = (.*)$")


def work(messages: Sequence[Message], tools: Sequence[Tool]) -> Reply:
    """The calls that can be made now or, when there are none left, the report."""
    past, brief, made = after_last_human(list(messages))
    task, found = _task(brief)
    before, implies = found, found is not NOTHING
    if before is NOTHING:
        before = _answered(past)
    planned = _plan(task, tools, past, refers=before is not NOTHING, implies=implies)
    now = progress(planned.jobs, outcomes(made), before)
    if now.calls:
        return Reply(calls=now.calls)
    return Reply(text=_report(planned, now.troubles, tools))


def _plan(task: str, tools: Sequence[Tool], past: Sequence[Message], *, refers: bool, implies: bool) -> Plan:
    planned = plan(task, tools, refers=refers, implies=implies)
    if planned.jobs or planned.lacking or planned.overlong:
        return planned
    whole = joined(past, task)
    return planned if whole is None else plan(whole, tools, refers=refers, implies=implies)


def _task(brief: str) -> tuple[str, Any]:
    """The task, and the last result that was found before it."""
    told, _, so_far = brief.rpartition(f"\n\n{prompts.SO_FAR}\n")
    told = told or brief
    found = [step for step in prompts.read_steps(so_far) if step.tool and not step.failed] if told != brief else []
    task = told.partition(f"\n\n{prompts.WROTE} ")[0]
    return task, parsed(found[-1].what) if found else NOTHING


def _answered(past: Sequence[Message]) -> Any:
    """The last result of the turn before: as the synthesizer writes it, or as the answer to a ``/call`` has it."""
    answer = next((message.text for message in reversed(past) if message.role == AI), "")
    for line in reversed(answer.splitlines()):
        if written := _ANSWERED.match(line):
            return parsed(written[1])
        found = prompts.read_steps(f"- {line.removeprefix('- ')}")
        if found and found[0].tool and not found[0].failed:
            return parsed(found[0].what)
    return NOTHING


def _report(planned: Plan, troubles: Sequence[str], tools: Sequence[Tool]) -> str:
    if planned.overlong:
        return wording.overlong(MOST_JOBS)
    names = [tool.name for tool in tools]
    if not names:
        return wording.no_tool(names)
    told = list(troubles)
    told += [wording.question(one.tool.name, one.missing, one.tool.parameters) for one in planned.lacking]
    told += [wording.unplaced(text, names) for text in planned.unplaced]
    if not told and not planned.jobs:
        return wording.no_tool(names)
    return " ".join(dict.fromkeys(told)) or wording.DONE
