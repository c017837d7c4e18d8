"""Which limit an exception of a plugin comes of, in a sentence such as "The limit is 256 open files"."""

import errno
import linecache
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from cadence_sdk._runtime.limits import MEMORY_EXIT, THREADS_EXIT, Limits

#: Where the standard library starts processes.
_STARTERS = ("subprocess.py", "popen_fork.py", "popen_spawn_posix.py", "pty.py")
_NO_THREAD = "can't start new thread"
#: How many exceptions are looked at: each can have a cause, a context and, in a group, any number of others.
_MAX_CHAIN = 100


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory that could not be had is at the bottom of an exception."""
    return any(isinstance(cause, MemoryError) or _errno(cause) == errno.ENOMEM for cause in _chain(error))


def named_limits(error: BaseException, limits: Limits | None, *, full: bool = False) -> tuple[str, ...]:
    """The limit that an exception comes of, in a sentence; none where it is none that is known.

    :param full: whether the worker may only read and delete in its data directory.
    """
    if limits is None:
        return ()
    if is_out_of_memory(error):
        return (f"{_capitalized(limits.memory_reached)}.",)
    found = (_sentence(cause, limits, full=full) for cause in _chain(error))
    return tuple(sentence for sentence in found if sentence is not None)[:1]


def end_out_of(error: BaseException, limits: Limits) -> NoReturn:
    """End this process, because what serves the plugin failed; by the exit code the server knows the limit.

    What it takes to say so may be missing too.
    """
    code = 1
    if is_out_of_memory(error):
        code, words = MEMORY_EXIT, limits.memory_reached
    elif _NO_THREAD in str(error):
        code, words = THREADS_EXIT, limits.threads_reached
    else:
        words = f"{type(error).__name__}: {error}"
    tell(f"The worker cannot go on: {words}")
    os._exit(code)


def tell(words: str) -> None:
    """Write a line into the plugin's log, whatever the plugin made of the standard streams."""
    with suppress(BaseException):
        os.write(2, f"{words}\n".encode(errors="backslashreplace"))


def _capitalized(words: str) -> str:
    return words[:1].upper() + words[1:]


def _sentence(error: BaseException, limits: Limits, *, full: bool) -> str | None:
    number = _errno(error)
    if number in (errno.EMFILE, errno.ENFILE):
        return f"The limit is {limits.open_files} open files."
    if number == errno.EFBIG:
        return f"The limit is {limits.data_mb} MiB for all its files together."
    if full and number in (errno.EACCES, errno.EROFS, errno.EXDEV):
        return f"{_capitalized(limits.data_reached)}: until files are deleted it may only read and delete there."
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return f"The limits are {limits.threads} threads, and {limits.memory_mb} MiB of memory, their stacks included."
    if number in (errno.EAGAIN, errno.EPERM, errno.EACCES) and _starts_process(error.__traceback__):
        together = f" and {limits.threads} threads, counted together" if limits.processes else ""
        return f"The limit is {limits.processes} processes{together}."
    return None


def _errno(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, those it came of, and those it holds."""
    found, seen = [error], {id(error)}
    while found and len(seen) <= _MAX_CHAIN:
        current = found.pop(0)
        yield current
        within = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        for other in (current.__cause__, current.__context__, *within):
            if isinstance(other, BaseException) and id(other) not in seen:
                seen.add(id(other))
                found.append(other)


def _starts_process(traceback: TracebackType | None) -> bool:
    """Whether the innermost place of a traceback is where a process is started."""
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    filename = traceback.tb_frame.f_code.co_filename
    return Path(filename).name in _STARTERS or "fork" in linecache.getline(filename, traceback.tb_lineno)
