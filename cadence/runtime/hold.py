"""A version that is kept answering for as long as somebody needs it, such as a turn of a conversation."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from cadence.model import ToolResult, TrialReport
from cadence.runtime.worker import Worker

if TYPE_CHECKING:
    from cadence.runtime.live_set import LiveSet

T = TypeVar("T")


class Hold:
    """The worker that answered for a plugin when this was made. It goes on answering here until this is closed.

    That holds while another version takes its place. It does not hold where the worker has ended, or may not go on: the
    plugin was disabled, deleted or quarantined, its grants were changed, or the same version was started anew. Then
    whoever answers now is asked, if anybody does.

    :param worker: one that was held, once, for this.
    """

    def __init__(self, live_set: "LiveSet", name: str, worker: Worker) -> None:
        self.name = name
        self._live_set = live_set
        self._worker = worker
        self._closed = False

    def __enter__(self) -> "Hold":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def version(self) -> str:
        """The version that is held."""
        return self._worker.ref.version

    @property
    def report(self) -> TrialReport:
        """What the held version found out about itself when it was loaded."""
        return self._worker.report

    def call(self, tool: str, args: Mapping[str, Any]) -> ToolResult:
        """Call a tool. Raises like :meth:`LiveSet.call`."""
        return self._live_set.call(self.name, tool, args, held=self._worker)

    def prompt(self) -> str:
        """The agent's system prompt as it is now. Raises like :meth:`LiveSet.call`."""
        return self._ask(lambda worker, seconds: worker.prompt(seconds))

    def route(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Where the agent wants to go on, ``continue`` or ``back``. Raises like :meth:`LiveSet.call`.

        :param messages: as of LangChain's ``messages_to_dict``.
        """
        return self._ask(lambda worker, seconds: worker.route(messages, seconds))

    def close(self) -> None:
        """Let the worker end, if it is due to. Any number of times."""
        if not self._closed:
            self._closed = True
            self._worker.let_go()

    def _ask(self, ask: Callable[[Worker, float], T]) -> T:
        return self._live_set.ask(self.name, ask, held=self._worker)
