"""Puts the code that every worker runs close together, so that it lies in few memory pages.

To run a function is to write to its code object: reference counts, and the counters of the adaptive interpreter
(PEP 659). Those of a library lie between functions that are never called, and with each a worker gets a copy of all
that lies in the same page.
"""

import array
import gc
import os
import sys
import threading
from collections.abc import Callable, Set
from types import CodeType, FrameType, FunctionType


def code_run_by(work: Callable[[], object]) -> set[int]:
    """The code objects that a forked process runs to do some work, by their addresses, which are those of this one.

    What forking itself runs there is among them. To be called while there is one thread. Where the work fails there
    are none.
    """
    read_end, write_end = os.pipe()
    seen: set[int] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.add(id(frame.f_code))

    sys.setprofile(note)
    pid = os.fork()
    if pid == 0:
        try:
            threading.setprofile(note)
            work()
            sys.setprofile(None)
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(array.array("Q", tuple(seen)).tobytes())
        finally:
            os._exit(0)
    sys.setprofile(None)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as answer:
        found = array.array("Q", answer.read())
    os.waitpid(pid, 0)
    return set(found)


def gather(codes: Set[int]) -> list[CodeType]:
    """Give the functions with these codes new ones, equal but made one after the other.

    :param codes: addresses of code objects.
    :returns: the old ones, to be kept: workers would put new objects into the gaps they would leave, all over.
    """
    functions = [found for found in gc.get_objects() if type(found) is FunctionType and id(found.__code__) in codes]
    old = {id(function.__code__): function.__code__ for function in functions}
    new = {address: code.replace() for address, code in old.items()}
    for function in functions:
        function.__code__ = new[id(function.__code__)]
    return list(old.values())
