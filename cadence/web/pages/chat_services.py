"""What the pages of conversations need of the rest of the server, as one interface."""

from collections.abc import Collection, Sequence
from typing import Protocol, cast

from flask import current_app

from cadence.chat.stream import EventStream
from cadence.chat.values import Picture, Question, ThreadRecord, TurnRecord
from cadence.web.listing import Answering
from cadence.web.pages.services import EXTENSION
from cadence.web.present import PluginView


class ChatServices(Protocol):
    """The doings behind the pages. ``app.extensions["cadence_pages"]`` is of this shape too."""

    @property
    def safe_mode(self) -> bool:
        """Whether no plugin runs, because an operator wanted it so."""
        ...

    @property
    def model_name(self) -> str:
        """The model that answers where a plugin requires no other: ``offline``, ``openai:gpt-4.1``."""
        ...

    def names(self) -> Collection[str]:
        """Every installed plugin."""
        ...

    def answering(self) -> Sequence[Answering]:
        """The plugins that can answer, perhaps after a while, by name."""
        ...

    def plugin(self, name: str) -> PluginView:
        """One plugin.

        :raises NotFound: when it is not installed.
        """
        ...

    def stream(self, question: Question) -> EventStream:
        """Ask, and give what happens: ``Started`` first, ``Final`` or ``Broken`` last. Closing it stops the turn.

        :raises CadenceError: when the turn cannot begin.
        """
        ...

    def stop(self, thread_id: str) -> bool:
        """End the turn that runs in a thread; whether there was one.

        :raises NotFound: when there is no such thread.
        """
        ...

    def delete_thread(self, thread_id: str) -> None:
        """Take out a thread for good.

        :raises NotFound: when there is no such thread.
        """
        ...

    def threads(self, limit: int = 50, after: str | None = None) -> Sequence[ThreadRecord]:
        """The threads, those with the latest turn first, behind the one whose id is ``after``."""
        ...

    def thread(self, thread_id: str) -> tuple[ThreadRecord, list[TurnRecord]]:
        """One thread and its turns.

        :raises NotFound: when there is no such thread.
        """
        ...

    def picture(self) -> Picture:
        """The graph that turns run through. Asking for the first time loads what runs it."""
        ...


def chat_services() -> ChatServices:
    """Return the services of the current application."""
    return cast(ChatServices, current_app.extensions[EXTENSION])
