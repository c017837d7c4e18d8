"""The LangGraph graph of a set of plugins.

::

    START ─ coordinator ─┬─ <name>_agent ─┬─ <name>_tools ─ <name>_agent
                         │                └─ coordinator
                         ├─ synthesizer ─ END
                         └─ suspend ─ END          (agents lead there too)

What is in the nodes depends on no version: a graph is made once for each set of names and serves every turn.
"""

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from cadence.chat import nodes
from cadence.chat.nodes import COORDINATOR, SUSPEND, SYNTHESIZER, agent_node, tools_node
from cadence.chat.state import State
from cadence.chat.turn import Context
from cadence.chat.values import Node, Picture

#: How many pictures are kept: one is looked at again and again until a plugin comes or goes.
_PICTURES = 4

Graph: TypeAlias = CompiledStateGraph[State, Context, State, State]


def build(names: Sequence[str], checkpointer: BaseCheckpointSaver[Any] | None = None) -> Graph:
    """The graph of these plugins.

    :param checkpointer: what keeps the threads.
    """
    builder = StateGraph(State, Context)
    builder.add_node(COORDINATOR, nodes.coordinator)
    builder.add_node(SYNTHESIZER, nodes.synthesizer)
    builder.add_node(SUSPEND, nodes.suspend)
    for name in names:
        builder.add_node(agent_node(name), nodes.agent(name))
        builder.add_node(tools_node(name), nodes.tools(name))
    builder.add_edge(START, COORDINATOR)
    after = [*map(agent_node, names), COORDINATOR, SYNTHESIZER, SUSPEND]
    ways: dict[Hashable, str] = {"": END, **{node: node for node in after}}
    builder.add_conditional_edges(COORDINATOR, nodes.next_node, ways)
    for name in names:
        after = [tools_node(name), COORDINATOR, SUSPEND]
        builder.add_conditional_edges(agent_node(name), nodes.next_node, after)
        builder.add_edge(tools_node(name), agent_node(name))
    builder.add_edge(SYNTHESIZER, END)
    builder.add_edge(SUSPEND, END)
    return builder.compile(checkpointer, name="conversation")


def config_of(thread_id: str, recursion_limit: int = 50) -> RunnableConfig:
    """How a turn of a thread is run."""
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": recursion_limit, "callbacks": []}


@lru_cache(maxsize=_PICTURES)
def picture(names: tuple[str, ...], left_out: int = 0) -> Picture:
    """The graph as nodes and edges, read from the graph itself.

    To compile the graph of 32 agents for that takes some 60 ms, so a picture that was drawn is kept for the next page.
    """
    drawn = build(names).get_graph()
    edges = tuple((edge.source, edge.target, edge.conditional) for edge in drawn.edges)
    return Picture(tuple(_node(id_, names) for id_ in drawn.nodes), edges, left_out)


def _node(id_: str, names: Sequence[str]) -> Node:
    kinds = {START: "start", END: "end", COORDINATOR: "coordinator", SYNTHESIZER: "synthesizer", SUSPEND: "suspend"}
    if id_ in kinds:
        return Node(id_, kinds[id_])
    plugin, _, kind = id_.rpartition("_")
    assert plugin in names
    return Node(id_, kind, plugin)
