"""Which agents a turn may hand over to: the live set as it was when the turn began."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from cadence.chat.values import GOTO
from cadence.runtime.slot import LivePlugin

#: How many tools of a plugin the coordinator is told of.
_TOOLS_TOLD = 12
_WORD = re.compile(r"[^\W_]{3,}")


class Offered(Struct, frozen=True):
    """A plugin as the coordinator is offered it; ``version`` is the one that answered when the turn began."""

    name: str
    version: str
    description: str
    capabilities: tuple[str, ...]
    tools: tuple[tuple[str, str], ...]
    requirements: Mapping[str, Any]
    suggestion: str | None

    @property
    def tool(self) -> dict[str, Any]:
        """The coordinator's tool that hands over to it: name, description and JSON schema of the arguments."""
        able = f" Capabilities: {', '.join(self.capabilities)}." if self.capabilities else ""
        told = [f"{name} ({_first_line(words)})" for name, words in self.tools[:_TOOLS_TOLD]]
        more = f"; {len(self.tools) - _TOOLS_TOLD} more" if len(self.tools) > _TOOLS_TOLD else ""
        tools = f" Tools: {'; '.join(told)}{more}." if told else ""
        return {
            "name": f"{GOTO}{self.name}",
            "description": f"{self.description.rstrip('. ')}.{able}{tools}",
            "parameters": {
                "type": "object",
                "properties": {"task": {"type": "string", "description": "What it is to do, with every detail."}},
                "required": ["task"],
            },
        }

    @property
    def words(self) -> frozenset[str]:
        """The words by which a message can fit it."""
        tools = (f"{name} {words}" for name, words in self.tools)
        return words_of(" ".join([self.name, self.description, *self.capabilities, *tools]))


class Snapshot(Struct, frozen=True):
    """What a turn begins with. ``left_out`` are plugins that could have been offered too, but for the bound."""

    agents: tuple[Offered, ...] = ()
    left_out: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plugins, in the order of the graph."""
        return tuple(agent.name for agent in self.agents)

    def agent(self, name: str) -> Offered | None:
        """One of them."""
        return next((agent for agent in self.agents if agent.name == name), None)


def snapshot(
    live: Iterable[LivePlugin],
    most: int,
    message: str = "",
    only: Sequence[str] | None = None,
    kept: Iterable[str] = (),
) -> Snapshot:
    """The agents of the plugins that answer.

    :param most: how many to offer; of more, those that fit ``message`` best.
    :param only: names, where the asker wants no others.
    :param kept: names of those that the conversation had to do with, which are offered before others.
    """
    there = [plugin for plugin in live if plugin.status != "failed"]
    names = None if only is None else set(only)
    offered = [_offered(plugin) for plugin in there if names is None or plugin.record.ref.name in names]
    if len(offered) <= most:
        return Snapshot(tuple(offered))
    wanted, known = words_of(message), set(kept)
    ranked = sorted(offered, key=lambda agent: (agent.name not in known, -len(agent.words & wanted), agent.name))
    return Snapshot(tuple(sorted(ranked[:most], key=lambda agent: agent.name)), len(offered) - most)


def words_of(text: str) -> frozenset[str]:
    """The words of a text in lower case, without the short ones."""
    return frozenset(_WORD.findall(text.lower()))


def _offered(plugin: LivePlugin) -> Offered:
    report = plugin.report
    metadata = report.metadata
    return Offered(
        name=plugin.record.ref.name,
        version=plugin.record.ref.version,
        description=metadata.description,
        capabilities=metadata.capabilities,
        tools=tuple((tool.name, tool.description) for tool in report.tools),
        requirements=metadata.llm_requirements,
        suggestion=metadata.response_suggestion,
    )


def _first_line(words: str) -> str:
    return words.strip().partition("\n")[0].rstrip(".") or "no description"
