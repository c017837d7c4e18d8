"""A turn from its question to its record."""

import threading
import time
import uuid
from typing import Any

from msgspec import Struct, field, structs

from cadence.chat.values import Answer, Question, Step, ThreadRecord, TurnRecord
from cadence.storage.database import utc_now

_TITLE_CHARACTERS = 80


class Run(Struct):
    """A turn that runs in this process.

    ``before`` are the turns of its thread before it; ``steps`` and ``written``, what was written of the answer, grow
    while it runs; ``stopped`` is set to end it.
    """

    question: Question
    thread_id: str
    number: int
    before: list[TurnRecord]
    steps: list[Step] = []
    written: str = ""
    began: float = field(default_factory=time.monotonic)
    asked_at: str = field(default_factory=utc_now)
    stopped: threading.Event = field(default_factory=threading.Event)

    def answer(self, response: str, **more: Any) -> Answer:
        """What came of it; ``more`` are further fields of the answer."""
        return Answer(response, self.thread_id, self.number, tuple(self.steps), ms=self._ms, **more)

    def answered(self, answer: Answer) -> TurnRecord:
        """Its record once it was answered."""
        return structs.replace(
            self._record("answered"),
            response=answer.response,
            model=answer.model,
            limit=answer.limit,
            notices=answer.notices,
            ms=answer.ms,
        )

    def failed(self, state: str, error: str) -> TurnRecord:
        """Its record once it failed, or was stopped, as far as it came."""
        return structs.replace(self._record(state), error=error, response=self.written)

    def _record(self, state: str) -> TurnRecord:
        asked = self.question
        return TurnRecord(
            self.number,
            asked.message,
            self.asked_at,
            state,
            steps=tuple(self.steps),
            ms=self._ms,
            plugins=asked.plugins,
            tone=asked.tone,
        )

    @property
    def _ms(self) -> float:
        return round((time.monotonic() - self.began) * 1000, 3)


def new_thread(message: str) -> ThreadRecord:
    """A thread that begins with a message."""
    now = utc_now()
    title = " ".join(message.split())
    title = title if len(title) <= _TITLE_CHARACTERS else f"{title[:_TITLE_CHARACTERS].rstrip()} …"
    return ThreadRecord(uuid.uuid4().hex, title, now, now, 0)
