"""Conversations as calls on the parts: what pages and API both do."""

from typing import Protocol

from cadence.chat.stream import EventStream
from cadence.chat.values import Answer, Picture, Question, ThreadRecord, TurnRecord
from cadence.parts import Parts, Running


class _HasParts(Protocol):
    _parts: Parts

    @property
    def running(self) -> Running: ...


class ChatServices:
    """Asking, following, stopping, listing and deleting."""

    @property
    def model_name(self: _HasParts) -> str:
        """The model that answers where a plugin requires no other: ``offline``, ``openai:gpt-4.1``."""
        return self.running.conversations.model_name

    def ask(self: _HasParts, question: Question) -> Answer:
        """Ask, and wait for the answer. Raises as :meth:`Conversations.ask`."""
        return self.running.conversations.ask(question)

    def stream(self: _HasParts, question: Question) -> EventStream:
        """Ask, and follow what happens. Raises as :meth:`Conversations.stream`."""
        return self.running.conversations.stream(question)

    def stop(self: _HasParts, thread_id: str) -> bool:
        """End the turn that runs in a thread; whether one did in this process.

        :raises NotFound: when there is no such thread.
        """
        self.running.conversations.thread(thread_id)
        return self.running.conversations.stop(thread_id)

    def threads(self: _HasParts, limit: int = 50, after: str | None = None) -> list[ThreadRecord]:
        """The threads, the one that changed last first, those behind ``after``."""
        return self.running.conversations.threads(limit, after)

    def thread(self: _HasParts, thread_id: str) -> tuple[ThreadRecord, list[TurnRecord]]:
        """One thread and its turns.

        :raises NotFound: when there is none.
        """
        return self.running.conversations.thread(thread_id)

    def delete_thread(self: _HasParts, thread_id: str) -> None:
        """Take out a thread for good.

        :raises NotFound: when there is none.
        """
        self.running.conversations.delete(thread_id)

    def picture(self: _HasParts) -> Picture:
        """The graph that a turn would run through now."""
        return self.running.conversations.picture()
