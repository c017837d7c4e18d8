"""What the System page and ``GET /api/v1/system`` show: how plugins are confined, what they get, what there is."""

import os
from functools import cached_property

from msgspec import Struct, structs

from cadence.config import MIB, Settings
from cadence.doctor import Host, host
from cadence.errors import PluginUnavailable
from cadence.model import Limits
from cadence.occupancy import FileSystem, Measurement, file_systems, measure
from cadence.parts import Parts
from cadence.runtime.footprint import resident_bytes
from cadence.sandbox import Sandbox
from cadence.storage.owners import is_alive
from cadence.storage.servers import ServerRecord
from cadence.web.disk import DiskView, disk_view

#: So long a page waits for what was never measured before; then it asks again by itself.
PATIENCE_SECONDS = 0.25
#: What processes take is known anew after so many seconds.
_FRESH_SECONDS = 5.0


class RoomView(Struct, frozen=True):
    """A file system with its room now. ``scarce``: the largest install that is allowed (``needed_bytes``) has none."""

    holds: tuple[str, ...]
    total_bytes: int
    free_bytes: int
    needed_bytes: int
    scarce: bool


class ServerView(Struct, frozen=True):
    """A server process: since when (UTC, ISO 8601), its memory, and the last change that it has taken in.

    ``behind`` is how many changes it has not, ``answers`` whether it is the one that answers this.
    """

    pid: int
    started_at: str
    memory_bytes: int
    seen_generation: int
    behind: int
    answers: bool


class WorkersView(Struct, frozen=True):
    """The processes of plugins that this server runs, and what they may be together."""

    awake: int
    max_awake: int
    memory_bytes: int
    max_memory_bytes: int


class ProcessesView(Struct, frozen=True):
    """What runs, and the room it has; ``generation`` counts the changes of what should answer."""

    generation: int
    servers: tuple[ServerView, ...]
    workers: WorkersView
    rooms: tuple[RoomView, ...]


class SystemView(Struct, frozen=True):
    """This server. ``sandbox`` is None where no plugin can be started at all, and ``failure`` says why.

    ``limits`` are what a plugin gets that was granted nothing; ``safe_mode`` whether no plugin runs because an operator
    wants it so; ``disk`` is null until it was measured. The rest is as in :class:`ProcessesView`.
    """

    host: Host
    sandbox: Sandbox | None
    failure: str | None
    limits: Limits
    instance: str
    plugin_dir: str
    archive_dir: str
    generation: int
    servers: tuple[ServerView, ...]
    workers: WorkersView
    rooms: tuple[RoomView, ...]
    disk: DiskView | None = None
    safe_mode: bool = False


class SystemServices:
    """Looking at the server as a whole."""

    _parts: Parts

    def system(self, patience_seconds: float = PATIENCE_SECONDS) -> SystemView:
        """Look at the server; in the first second after its start this waits until the sandbox is known.

        :param patience_seconds: how long to wait where nobody has measured yet what lies on the disk.
        """
        parts = self._parts
        sandbox, failure = None, None
        try:
            sandbox = parts.serving.sandbox.await_known()
        except PluginUnavailable as error:
            failure = error.in_words
        settings = parts.settings
        return SystemView(
            **structs.asdict(self.processes()),
            host=host(),
            sandbox=sandbox,
            failure=failure,
            limits=settings.limits,
            instance=str(settings.instance),
            plugin_dir=str(settings.plugin_dir),
            archive_dir=str(settings.archive_dir),
            disk=self._disk.latest(patience_seconds),
            safe_mode=settings.safe_mode,
        )

    def processes(self) -> ProcessesView:
        """Look at what runs. Costs a millisecond or two, so that an open page can ask for it again and again."""
        parts = self._parts
        settings, generation = parts.settings, parts.index.generation()
        return ProcessesView(
            generation=generation,
            servers=_servers(parts, generation),
            workers=_workers(self._workers_memory.latest(PATIENCE_SECONDS), settings),
            rooms=tuple(_room(one, settings) for one in file_systems(settings)),
        )

    @cached_property
    def _disk(self) -> Measurement[DiskView]:
        parts = self._parts

        def find() -> DiskView:
            return disk_view(measure(parts.settings, parts.environments), parts.index.versions(), parts.settings)

        return Measurement(find, parts.serving.supervisor.soon)

    @cached_property
    def _workers_memory(self) -> Measurement[dict[str, int]]:
        running = self._parts.serving
        return Measurement(running.live_set.memory_bytes, running.supervisor.soon, _FRESH_SECONDS)


def _servers(parts: Parts, generation: int) -> tuple[ServerView, ...]:
    """The server processes that are alive, in the order in which they started."""
    alive = (one for one in parts.index.servers() if is_alive(parts.settings.instance, one.id))
    return tuple(_server(one, generation) for one in alive)


def _server(record: ServerRecord, generation: int) -> ServerView:
    return ServerView(
        pid=record.pid,
        started_at=record.started_at,
        memory_bytes=resident_bytes(record.pid),
        seen_generation=record.seen_generation,
        # It may have seen one more since the generation was read.
        behind=max(0, generation - record.seen_generation),
        answers=record.pid == os.getpid(),
    )


def _workers(memory: dict[str, int] | None, settings: Settings) -> WorkersView:
    return WorkersView(
        awake=len(memory or ()),
        max_awake=settings.max_live_workers,
        memory_bytes=sum((memory or {}).values()),
        max_memory_bytes=settings.max_workers_memory_mb * MIB,
    )


def _room(system: FileSystem, settings: Settings) -> RoomView:
    needed = settings.max_upload_bytes + 2 * settings.max_unpacked_bytes
    return RoomView(system.holds, system.total_bytes, system.free_bytes, needed, system.free_bytes < needed)
