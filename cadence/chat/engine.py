"""What turns run on: the graphs, what keeps their threads, and the models. Made when it is first needed."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.errors import GraphRecursionError

from cadence.chat.graph import Graph, build, config_of
from cadence.chat.state import beginning
from cadence.chat.turn import Context, Turn
from cadence.storage.checkpoints import keep_latest, open_checkpoints

#: Graphs that are kept; another set of plugins takes a few milliseconds to build.
_MOST_GRAPHS = 16


class Engine:
    """Runs turns.

    :param path: the SQLite file of the threads.
    :param recursion_limit: steps of the graph that a turn may take.
    """

    def __init__(self, path: Path, recursion_limit: int) -> None:
        self._saver = SqliteSaver(open_checkpoints(path))
        self._recursion_limit = recursion_limit
        self._graphs: OrderedDict[tuple[str, ...], Graph] = OrderedDict()
        self._building = threading.Lock()

    def run(self, thread_id: str, message: str, turn: Turn) -> str:
        """Run a turn to its end, and give the answer. Raises whatever its nodes raise."""
        config = config_of(thread_id, self._recursion_limit)
        graph = self._graph(turn.agents.names)
        try:
            state = graph.invoke(beginning(message), config, context=Context(turn), durability="exit")
        except GraphRecursionError:  # the nodes look out for it; a plugin that routes in circles within one step cannot
            turn.limit = f"The turn took more than {self._recursion_limit} steps (CADENCE_GRAPH_RECURSION_LIMIT)."
            return turn.limit
        finally:
            self._tidy(thread_id)
        return str(state["messages"][-1].text)

    def note(self, thread_id: str, message: str, response: str) -> None:
        """Keep a turn that needed no model."""
        pair = {"messages": [HumanMessage(message), AIMessage(response)]}
        self._graph(()).update_state(config_of(thread_id), pair, as_node="synthesizer")
        self._tidy(thread_id)

    def forget(self, thread_id: str) -> None:
        """Remove all that is kept of a thread."""
        self._saver.delete_thread(thread_id)

    def close(self) -> None:
        """Close the file."""
        with self._saver.lock, closing(self._saver.conn):
            pass

    def _tidy(self, thread_id: str) -> None:
        with self._saver.cursor() as cursor:
            keep_latest(cursor, thread_id)

    def _graph(self, names: Sequence[str]) -> Graph:
        key = tuple(names)
        with self._building:
            graph = self._graphs.pop(key, None) or build(key, self._saver)
            self._graphs[key] = graph
            while len(self._graphs) > _MOST_GRAPHS:
                self._graphs.popitem(last=False)
            return graph
