"""A thread with a stack large enough for Python's parser."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cadence.intake.limits import MIB

# The parser needs up to a megabyte of C stack for hostile nesting and does not look how much there is: on the small
# stack of a server's thread that is a crash of the server. This is enough by a factor of ten.
STACK_BYTES = 16 * MIB

_Result = TypeVar("_Result")

# The stack size of new threads is a setting of the whole process: whoever changes it changes it back first.
_STACK_SIZE = threading.Lock()


def on_deep_stack(function: Callable[[], _Result]) -> _Result:
    """Call ``function`` in a thread of its own with :data:`STACK_BYTES` of stack; its outcome is passed on."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="inspection") as executor:
        with _STACK_SIZE:
            before = threading.stack_size(STACK_BYTES)
            try:
                future = executor.submit(function)
            finally:
                threading.stack_size(before)
        return future.result()
