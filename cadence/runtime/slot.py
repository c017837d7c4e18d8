"""The place of one plugin in the live set, and how the plugin stands there."""

import threading
from typing import Literal

from msgspec import Struct

from cadence.model import TrialReport, VersionRecord
from cadence.runtime.worker import Worker


class LivePlugin(Struct, frozen=True):
    """One plugin as it stands now.

    ``status`` is ``live``, ``starting`` or ``failed``; ``error`` says why, where it is not live. ``pid`` is that of
    its worker.
    """

    record: VersionRecord
    status: Literal["live", "starting", "failed"]
    report: TrialReport
    error: str | None = None
    pid: int | None = None


class Slot:
    """The place of one plugin. ``changed`` guards every field; ``changing`` lets one change at a time run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.changing = threading.Lock()
        self.changed = threading.Condition()
        self.record: VersionRecord | None = None
        self.generation = -1
        self.worker: Worker | None = None
        self.error: str | None = None
        self.failures = 0
        self.restarting = False
        self.restart_at = 0.0

    def view(self) -> LivePlugin | None:
        """The plugin as it stands, None where none is expected."""
        with self.changed:
            if self.record is None:
                return None
            if self.worker is not None:
                return LivePlugin(
                    self.record, "live", self.worker.report, self.error or self.worker.notice, self.worker.pid
                )
            return LivePlugin(self.record, "failed" if self.error else "starting", self.record.report, self.error)
