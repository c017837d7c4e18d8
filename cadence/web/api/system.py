"""The server as a whole: what it has, how it confines plugins, what they get."""

from typing import Literal

from flask import Response
from msgspec import Struct

from cadence.doctor import Host
from cadence.model import Limits
from cadence.web.api.answers import SandboxAnswer
from cadence.web.api.plugins import services
from cadence.web.api.replies import reply
from cadence.web.disk import DiskView
from cadence.web.system import RoomView, ServerView, WorkersView

#: So long an answer waits for what is measured: the first time on a large instance takes a moment.
_MEASURING_SECONDS = 10.0


class SystemAnswer(Struct, frozen=True, kw_only=True):
    """This server, as its System page shows it.

    ``sandbox`` is null where no plugin can be started at all, and ``failure`` says why. ``limits`` are what a plugin
    gets that was granted nothing. ``generation`` counts the changes of what should answer; a server that has taken them
    all in is not ``behind``. ``disk`` is what was measured last, null where the first measuring takes too long.
    """

    success: Literal[True] = True
    host: Host
    safe_mode: bool
    sandbox: SandboxAnswer | None
    failure: str | None
    limits: Limits
    instance: str
    plugin_dir: str
    archive_dir: str
    generation: int
    servers: tuple[ServerView, ...]
    workers: WorkersView
    rooms: tuple[RoomView, ...]
    disk: DiskView | None


def system() -> Response:
    """This server."""
    view = services().system(_MEASURING_SECONDS)
    sandbox = view.sandbox
    return reply(
        SystemAnswer(
            host=view.host,
            safe_mode=view.safe_mode,
            sandbox=SandboxAnswer(sandbox.mode, sandbox.complete, sandbox.layers) if sandbox else None,
            failure=view.failure,
            limits=view.limits,
            instance=view.instance,
            plugin_dir=view.plugin_dir,
            archive_dir=view.archive_dir,
            generation=view.generation,
            servers=view.servers,
            workers=view.workers,
            rooms=view.rooms,
            disk=view.disk,
        )
    )
