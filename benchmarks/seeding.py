"""An instance with many plugins in it, made without installing each."""

import os
from pathlib import Path

from benchmarks.workbench import MATH
from cadence.config import Settings
from cadence.model import HealthReport, Metadata, PluginRef, ToolSpec, TrialReport, VersionRecord
from cadence.storage.database import utc_now
from cadence.storage.index import Index
from cadence.storage.publication import adopt_version
from cadence.storage.store import Store

_NUMBER = {"title": "A", "type": "number"}
_PARAMETERS = {"type": "object", "properties": {"a": _NUMBER, "b": _NUMBER}, "required": ["a", "b"]}


def name_of(number: int) -> str:
    """What the seeded plugin of a number is called, from 0 on."""
    return f"seeded_{number:05}"


def seed(instance: Path, plugin: Path, archive: Path, count: int, *, active: bool) -> None:
    """Install ``count`` plugins of different names into an instance that no server runs on.

    Each has its row, its folder and its archive, all of the math plugin's content.

    :param active: whether they answer when they are called.
    """
    settings = Settings(instance=instance)
    store = Store(settings.plugin_dir, settings.archive_dir)
    settings.archive_dir.mkdir(parents=True)
    # One transaction for all: here nobody waits for any of them.
    with Index.open(instance / "index.db") as index, index.database.atomic():
        for number in range(count):
            ref = PluginRef(name_of(number), MATH.version)
            store.snapshot_of(plugin, store.folder(ref))
            os.link(archive, store.archive(ref))
            adopt_version(index, store, _record(ref, archive), activate=active)


def _record(ref: PluginRef, archive: Path) -> VersionRecord:
    metadata = Metadata(ref.name, ref.version, "One of many plugins", ("addition", "subtraction"))
    tools = tuple(ToolSpec(name, f"The tool {name}", _PARAMETERS) for name in ("add", "subtract", "multiply", "divide"))
    return VersionRecord(
        ref=ref,
        install_id=f"seed-{ref.name}",
        sha256="0" * 64,
        size_bytes=archive.stat().st_size,
        installed_at=utc_now(),
        source="upload",
        active=False,
        report=TrialReport(metadata, tools, parallel_tool_calls=True, health=HealthReport(healthy=True)),
    )
