"""A made-up server: its sandbox, processes, disks and environments."""

from pathlib import Path

from msgspec import structs

from cadence.config import Settings
from cadence.doctor import Host
from cadence.model import Limits
from cadence.occupancy import Kind, Taken
from cadence.sandbox import Sandbox
from cadence.web.disk import DiskView, disk_area
from cadence.web.packages import EnvironmentView
from cadence.web.system import PATIENCE_SECONDS, ProcessesView, RoomView, ServerView, SystemView, WorkersView
from tests.web.pages.preview_versions import ago

MIB = 1024 * 1024
SETTINGS = Settings(instance=Path("/srv/cadence/instance"))
SIZES: dict[Kind, int] = {
    "plugins": 14 * MIB,
    "archives": 5 * MIB,
    "deleted": 900_000,
    "environments": 91 * MIB,
    "data": 37 * MIB,
    "logs": 620_000,
    "index": 3 * MIB,
    "threads": 410_000,
    "running": 48_000,
    "other": 12_288,
}


def environment(key: str = "5f0e9c1a77d2", *used_by: str, size_bytes: int = 73 * MIB) -> EnvironmentView:
    """An environment of two packages."""
    return EnvironmentView(key, size_bytes, ("numpy==2.1.0", "pydantic==2.7.4"), ago(days=3), False, used_by)


def disk_view(*environments: EnvironmentView, hidden: int = 0) -> DiskView:
    """What was measured a minute ago."""
    areas = tuple(disk_area(Taken(kind, size, hidden), SETTINGS) for kind, size in SIZES.items())
    return DiskView(ago(minutes=1), sum(SIZES.values()), areas, environments)


def room(*, free_bytes: int = 18 * 1024 * MIB) -> RoomView:
    """A file system that all lies on."""
    needed = 450 * MIB
    holds = ("instance", "plugins", "archives")
    return RoomView(holds, 49 * 1024 * MIB, free_bytes, needed, free_bytes < needed)


class MadeUpSystem:
    """Services of the system. ``disk`` is None while nothing was measured; every question is in ``patience``."""

    sandbox: Sandbox | None
    failure: str | None
    default_limits: Limits
    safe_mode: bool

    def __init__(self) -> None:
        self.disk: DiskView | None = disk_view(environment("5f0e9c1a77d2", "math_plugin-1.0.0"))
        self.rooms = (room(),)
        self.servers: tuple[ServerView, ...] = (ServerView(4711, ago(hours=5), 96 * MIB, 42, 0, answers=True),)
        self.workers = WorkersView(3, 64, 188 * MIB, 4096 * MIB)
        self.patience: list[float] = []

    def processes(self) -> ProcessesView:
        """What runs."""
        return ProcessesView(42, self.servers, self.workers, self.rooms)

    def system(self, patience_seconds: float = PATIENCE_SECONDS) -> SystemView:
        """A server on some host."""
        self.patience.append(patience_seconds)
        return SystemView(
            host=Host("0.1.0", "1.4.0", "CPython 3.11.9", "Linux 6.18.0, x86_64", "user id 1000"),
            sandbox=self.sandbox,
            failure=self.failure,
            limits=self.default_limits,
            instance="/srv/cadence/instance",
            plugin_dir="/srv/cadence/instance/store_plugin",
            archive_dir="/srv/cadence/instance/store_archived",
            **structs.asdict(self.processes()),
            disk=self.disk,
            safe_mode=self.safe_mode,
        )
