"""Watches what the kernel does not bound: the disk space of plugins, and their memory where no control group bounds it.

One thread looks at every worker several times a second, at its processor time first: without that, nothing was written.
To ask costs a microsecond, so that hundreds of idle workers cost nothing. Those that were busy are measured, and rest
in proportion to what measuring them took. Between two looks a plugin can pass its limit, by as much as the disk takes
meanwhile; then it is ended.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from cadence.model import Limits
from cadence.runtime.cgroup import BASE_MEMORY_BYTES, Group
from cadence.runtime.footprint import Unmeasurable, cpu_seconds, disk_bytes, grown_bytes, resident_bytes
from cadence.runtime.worker import Worker
from cadence_sdk._runtime.limits import MIB

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
#: Processor time after which a worker is measured at the next look, in seconds, and how long at most less than that
#: goes unmeasured.
_BUSY_SECONDS = 0.005
_IDLE_SECONDS = 5.0
#: What one that may not write its data, because there is too much of it, may hold in temporary files.
_ROOM_WHEN_FULL_BYTES = 16 * MIB
#: How many times as long as measuring it took a worker is left alone.
_REST_FACTOR = 8


class Premises(Struct, frozen=True):
    """The folders a worker may write to."""

    data: Path
    temporary: Path

    def full(self, limits: Limits) -> bool:
        """Whether they hold more than they may, or what they hold cannot be measured."""
        try:
            return disk_bytes((self.data, self.temporary), limits.data_bytes) > limits.data_bytes
        except Unmeasurable:
            return True


class _Ward:
    """One worker, and when it was measured."""

    def __init__(
        self, worker: Worker, premises: Premises, group: Group, on_room: Callable[[Worker], None] | None
    ) -> None:
        self.worker = worker
        self.premises = premises
        self.group = group
        #: There where it was over its limit when it was started, and can only delete.
        self._on_room = on_room
        self.memory_kills = 0
        self._base_memory = 0 if group.bounds_memory else resident_bytes(worker.pid)
        self._cpu = 0.0
        self._rests_until = 0.0
        self._idle_until = 0.0

    @property
    def due(self) -> bool:
        """Whether it may have grown since it was measured."""
        now = time.monotonic()
        if now < self._rests_until:
            return False
        used = cpu_seconds(self.worker.pid) - self._cpu
        # What its own processes used is not counted in its time until they end.
        return used >= _BUSY_SECONDS or (now >= self._idle_until and (used > 0 or self.worker.limits.processes > 0))

    def limit_reached(self) -> str | None:
        """Measure it; the limit that it is over, in words."""
        started, self._cpu = time.monotonic(), cpu_seconds(self.worker.pid)
        try:
            return self._memory_reached() or self._data_reached()
        finally:
            now = time.monotonic()
            self._rests_until = now + _REST_FACTOR * (now - started)
            self._idle_until = now + (LOOK_SECONDS if self.worker.limits.processes else _IDLE_SECONDS)

    def _data_reached(self) -> str | None:
        limits = self.worker.limits
        pids = {self.worker.pid, *(self.group.processes() if limits.processes else ())}
        folders: tuple[Path, ...] = (self.premises.data, self.premises.temporary)
        most = limits.data_bytes
        if self._on_room is not None:
            self._look_for_room(self._on_room)
            folders, most = (self.premises.temporary,), min(most, _ROOM_WHEN_FULL_BYTES)
        try:
            used = disk_bytes(folders, most, pids)
        except Unmeasurable as error:
            return f"{limits.data_reached}: {error}"
        return limits.data_reached if used > most else None

    def _look_for_room(self, on_room: Callable[[Worker], None]) -> None:
        """Have it replaced once it holds less; asked for again at the next look, in case that does not succeed."""
        if not self.premises.full(self.worker.limits):
            on_room(self.worker)

    def _memory_reached(self) -> str | None:
        limits = self.worker.limits
        if self.group.bounds_memory:
            return None
        grown = grown_bytes(self.worker.pid, self._base_memory)
        return limits.memory_reached if grown > limits.memory_bytes + BASE_MEMORY_BYTES else None


class Warden:
    """Watches workers until they are released.

    :param note: writes a line into the log of the plugin that a worker runs.
    """

    def __init__(self, note: Callable[[Worker, str], None]) -> None:
        self._note = note
        self._wards: dict[Worker, _Ward] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="warden", daemon=True)
        self._thread.start()

    def watch(
        self, worker: Worker, premises: Premises, group: Group, on_room: Callable[[Worker], None] | None = None
    ) -> None:
        """Watch a worker that has been forked.

        :param on_room: given for one that was over its data limit when it was started, and can only read and delete:
            called, maybe several times, when that need not be so any more.
        """
        ward = _Ward(worker, premises, group, on_room)
        with self._changed:
            self._wards[worker] = ward
            self._changed.notify()
        if worker.gone:  # it may have been released before it was watched
            self.release(worker)

    def release(self, worker: Worker) -> None:
        """Watch it no more."""
        with self._changed:
            self._wards.pop(worker, None)

    def close(self) -> None:
        """Stop watching."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while wards := self._next_round():
            for ward in wards:
                try:
                    self._look(ward)
                except Exception:
                    # What one plugin brought about must not leave the others unwatched.
                    log.exception("%s could not be measured", ward.worker.ref.slug)

    def _next_round(self) -> list[_Ward]:
        """Those to look at now, once it is time; none when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, LOOK_SECONDS)
            self._changed.wait_for(lambda: self._closed or self._wards)
            return [] if self._closed else list(self._wards.values())

    def _look(self, ward: _Ward) -> None:
        if ward.worker.gone or not ward.due:
            return
        self._tell_of_kills(ward)
        reached = ward.limit_reached()
        if reached is not None and not ward.worker.gone:
            ward.worker.stop_at(reached)

    def _tell_of_kills(self, ward: _Ward) -> None:
        """A process that the plugin started may have been ended for want of memory while its worker goes on."""
        kills = ward.group.memory_kills() if ward.worker.limits.processes else 0
        if kills > ward.memory_kills:
            ward.memory_kills = kills
            self._note(ward.worker, f"{ward.worker.limits.memory_reached}: a process was ended")
