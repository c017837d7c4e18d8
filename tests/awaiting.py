"""Runs coroutines from tests that are not ``async`` themselves."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, in a thread of its own.

    Playwright keeps an event loop running in the main thread of any process that has had a browser test, and there
    ``asyncio.run`` refuses to work.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
