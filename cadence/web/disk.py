"""What an instance takes on the disk, in words: what each kind of files is called, where it lies, what bounds it."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from cadence.config import MIB, Settings
from cadence.model import VersionRecord
from cadence.occupancy import Kind, Measured, Taken
from cadence.web.packages import EnvironmentView, environment_views
from cadence.web.present import human_size


class DiskArea(Struct, frozen=True):
    """What files of one kind take on the disk.

    ``bound`` says in words what keeps it small, ``setting`` is the variable for that, ``limit_bytes`` its bytes where
    it is a number of them, for each plugin or archive. ``hidden`` counts folders that could not be looked into.
    """

    kind: Kind
    label: str
    path: str
    size_bytes: int
    bound: str
    setting: str | None = None
    limit_bytes: int | None = None
    hidden: int = 0


class DiskView(Struct, frozen=True):
    """What this instance takes, as it was measured ``at`` (UTC, ISO 8601), and the environments, the largest first."""

    at: str
    size_bytes: int
    areas: tuple[DiskArea, ...]
    environments: tuple[EnvironmentView, ...]


def disk_view(known: Measured, versions: Sequence[VersionRecord], settings: Settings) -> DiskView:
    """What was measured, in words; ``versions`` are all that are installed."""
    areas = tuple(disk_area(one, settings) for one in known.taken)
    environments = tuple(environment_views(known.environments, versions))
    return DiskView(known.at, sum(area.size_bytes for area in areas), areas, environments)


class _Words(Struct, frozen=True):
    """What a kind of files is called, where it lies, and what bounds it."""

    label: str
    path: str
    bound: str
    setting: str | None = None
    limit_bytes: int | None = None


def disk_area(taken: Taken, settings: Settings) -> DiskArea:
    """What was measured, in words."""
    words = _words(settings)[taken.kind]
    return DiskArea(
        kind=taken.kind,
        label=words.label,
        path=words.path,
        size_bytes=taken.size_bytes,
        bound=words.bound,
        setting=words.setting,
        limit_bytes=words.limit_bytes,
        hidden=taken.hidden,
    )


def _words(settings: Settings) -> Mapping[Kind, _Words]:
    instance, data = settings.instance, settings.plugin_data_mb * MIB
    upload, unpacked, log = settings.max_upload_bytes, settings.max_unpacked_bytes, settings.max_log_bytes
    days, history = settings.deleted_retention_days, settings.history_days
    return {
        "plugins": _Words(
            "Extracted plugins",
            str(settings.plugin_dir),
            f"{human_size(unpacked)} each version",
            "CADENCE_MAX_UNPACKED_BYTES",
            unpacked,
        ),
        "archives": _Words(
            "Uploaded archives",
            str(settings.archive_dir),
            f"{human_size(upload)} each",
            "CADENCE_MAX_UPLOAD_BYTES",
            upload,
        ),
        "deleted": _Words(
            "Deleted versions",
            f"{settings.archive_dir}/.deleted",
            f"kept for {days} day{'' if days == 1 else 's'}",
            "CADENCE_DELETED_RETENTION_DAYS",
        ),
        "environments": _Words(
            "Packages", f"{instance}/environments", "removed once no version needs them; shared where locks are equal"
        ),
        "data": _Words(
            "Data of plugins",
            f"{instance}/data",
            f"{human_size(data)} each plugin, with its temporary files, where its grants say nothing else",
            "CADENCE_PLUGIN_DATA_MB",
            data,
        ),
        "logs": _Words("Logs", f"{instance}/logs", f"{human_size(log)} each plugin", "CADENCE_MAX_LOG_BYTES", log),
        "index": _Words(
            "Index and history",
            f"{instance}/index.db",
            f"history is kept for {history} day{'' if history == 1 else 's'}",
            "CADENCE_HISTORY_DAYS",
        ),
        "threads": _Words("Conversations", f"{instance}/threads.db", "kept until they are deleted"),
        "running": _Words("Work under way", f"{instance}/run", "goes with the process that it belongs to"),
        "other": _Words("Everything else", str(instance), "locks, keys, and what others have put there"),
    }
