"""Starts threads, up to a number that a host survives."""

import threading

from cadence_sdk import tool

_over = threading.Event()
_threads: list[threading.Thread] = []


@tool
def thread_bomb(most: int) -> int:
    """Start threads, again and again."""
    threading.stack_size(64 * 1024)
    try:
        for _ in range(most):
            thread = threading.Thread(target=_over.wait)
            thread.start()
            _threads.append(thread)
    except BaseException:
        release.func()
        raise
    finally:
        threading.stack_size(0)
    return len(_threads)


@tool
def release() -> int:
    """Let them end."""
    _over.set()
    count = len(_threads)
    while _threads:
        _threads.pop().join()
    _over.clear()
    return count


TOOLS = [thread_bomb, release]
