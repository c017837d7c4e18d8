"""A conversation as it is shown: its turns with their steps, and JSON as it is read by people."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from cadence.chat.values import Step, TurnRecord

MOST_CHARACTERS = 20_000
"""Of one argument or result, so much is on the page; the JSON API has the whole."""


class StepView(Struct, frozen=True):
    """A call of a tool. ``key`` is its element's id, ``runs`` whether it has not ended yet.

    ``is_gone`` is whether its plugin is not installed any more.
    """

    key: str
    step: Step
    runs: bool = False
    is_gone: bool = False


class TurnView(Struct, frozen=True):
    """A turn of a thread. ``doing`` says what happens in it now."""

    thread_id: str
    turn: TurnRecord
    steps: tuple[StepView, ...] = ()
    doing: str = ""

    @property
    def answered_by(self) -> tuple[str, ...]:
        """The model, and each plugin with the version that answered: ``math_plugin 1.0.0``."""
        versions = (f"{step.agent} {step.plugin_version}" for step in self.turn.steps if step.plugin_version)
        return tuple(dict.fromkeys([*filter(None, [self.turn.model]), *versions]))


def turn_view(thread_id: str, turn: TurnRecord, installed: Iterable[str]) -> TurnView:
    """A turn as it is kept.

    :param installed: the names of the plugins that are.
    """
    there = set(installed)
    keys = step_keys(turn.number, [step.id for step in turn.steps])
    steps = (StepView(key, step, is_gone=step.agent not in there) for key, step in zip(keys, turn.steps, strict=True))
    return TurnView(thread_id, turn, tuple(steps))


def step_keys(number: int, ids: Sequence[str]) -> list[str]:
    """An element's id for each call of a turn, the same for the same calls. Models choose their ids as they like."""
    seen: dict[str, int] = {}
    keys = []
    for id_ in ids:
        digest = hashlib.sha256(id_.encode("utf-8", "replace")).hexdigest()[:10]
        seen[digest] = seen.get(digest, 0) + 1
        keys.append(f"turn-{number}-step-{digest}" + (f"-{seen[digest]}" if seen[digest] > 1 else ""))
    return keys


def pretty(value: Any) -> str:
    """A value as JSON over several lines, cut where it is very long; a text of several lines as it is."""
    text = value if isinstance(value, str) and "\n" in value else json.dumps(value, ensure_ascii=False, indent=2)
    text = text.encode("utf-8", "replace").decode()
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\n… {len(text) - MOST_CHARACTERS:,} more characters"
