"""The role of the synthesizer: put down what the agents found, the result first that the others led to."""

import json
import re
from collections.abc import Sequence
from typing import Any

from cadence.chat.offline import wording
from cadence.chat.offline.evaluation import parsed, plain
from cadence.chat.offline.exchange import Message, Reply
from cadence.chat.prompts import Found, read_steps

_NOTHING = "Nothing came of this: no agent found an answer."
_WHOLE = re.compile(r"(?<==)(-?\d{1,15})\.0(?=, \w+=|$)")
_LONGEST_ARGUMENTS = 300


def answer(messages: Sequence[Message]) -> Reply:
    """The answer from the findings, which are the last message."""
    found = read_steps(messages[-1].text)
    steps = [one for one in found if one.tool]
    done = [step for step in steps if not step.failed]
    broken = [step for step in steps if step.failed]
    lines = [_line(step) for step in done]
    lines += [wording.failed(step.tool, step.what) for step in broken]
    said = [words for one in found if not one.tool and (words := _said(one, broken))]
    if len(done) > 1 and (last := _outcome(done)) is not None:
        lines = [_shown(parsed(last.what)), "", *lines]
    told = "\n".join(dict.fromkeys(said))
    return Reply(text="\n\n".join(part for part in ("\n".join(lines), told) if part) or _NOTHING)


def _line(step: Found) -> str:
    args = _WHOLE.sub(r"\1", step.args)
    args = args if len(args) <= _LONGEST_ARGUMENTS else f"{args[:_LONGEST_ARGUMENTS]} …"
    return f"{step.tool}({args}) = {_json(parsed(step.what))}"


def _outcome(done: Sequence[Found]) -> Found | None:
    """The last result, where each one before it went into one after it."""
    for at, step in enumerate(done[:-1]):
        result = _json(parsed(step.what))
        later = [_WHOLE.sub(r"\1", following.args) for following in done[at + 1 :]]
        if not any(re.search(rf"[=\[ ]{re.escape(result[:_LONGEST_ARGUMENTS])}", args) for args in later):
            return None
    return done[-1]


def _said(one: Found, broken: Sequence[Found]) -> str:
    """What an agent says beside the results that are there already."""
    words = one.what
    for step in broken:
        words = words.replace(wording.failed(step.tool, step.what), "")
    words = words.strip()
    return "" if words == wording.DONE else words


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)
