"""The event loop of a plugin's ``async`` tools."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class EventLoop:
    """One loop for all of a plugin's coroutines, since what they share may belong to it; in a thread of its own.

    The thread starts with the first of them.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have the loop run a coroutine, which must not raise what would end the loop (``SystemExit``)."""
        with self._guard:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="event-loop", daemon=True).start()
                self._loop = loop
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
