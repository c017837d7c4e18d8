"""Who has something happen: an operator on a page, a program by the API, somebody at a command line, the server itself.

It is set once, at the edge where a request or a command comes in, and is read where a decision is written down. What a
thread of the server does is the server's own doing, unless it was handed on with the work (:func:`handed_on`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import ParamSpec, TypeVar

from msgspec import Struct

P = ParamSpec("P")
R = TypeVar("R")

#: So much is kept of what a client is called, in characters; an IPv6 address with a zone has less.
MAX_CLIENT_CHARACTERS = 64


class OriginKind(StrEnum):
    """By which way it came."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"
    SERVER = "server"


class Origin(Struct, frozen=True):
    """Who it was. ``client`` is the address of a request, or the user who gave a command, where that is known."""

    kind: OriginKind
    client: str | None = None


#: Nobody asked for it.
BY_ITSELF = Origin(OriginKind.SERVER)

_current: ContextVar[Origin] = ContextVar("origin", default=BY_ITSELF)


def current_origin() -> Origin:
    """On whose word what happens now happens."""
    return _current.get()


def set_origin(origin: Origin) -> None:
    """Say it for all that this thread does from here on, as the edge does with each request."""
    _current.set(origin)


@contextmanager
def acting_for(origin: Origin) -> Iterator[None]:
    """Say it for the length of a ``with`` block."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)


def handed_on(work: Callable[P, R]) -> Callable[P, R]:
    """The same work, to be done in another thread on the word of whoever acts in this one."""
    origin = current_origin()

    def done(*args: P.args, **kwargs: P.kwargs) -> R:
        with acting_for(origin):
            return work(*args, **kwargs)

    return done
