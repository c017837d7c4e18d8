"""An instance with what deletes and restores, and a live set that only takes notes."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cadence.model import PluginRef, VersionRecord
from cadence.removal import Remover
from cadence.runtime.live_set import LiveSet
from tests.storage.house import House, unpack


class Notes:
    """What a live set was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextlib.contextmanager
    def changing(self, name: str) -> Iterator[None]:
        yield

    def remove(self, name: str, generation: int) -> None:
        self.told.append(f"remove {name}")

    def follow(self, record: VersionRecord, generation: int) -> None:
        self.told.append(f"start {record.ref.slug}")


class Bin:
    """Deletes and restores in ``root``."""

    def __init__(self, root: Path, retention_days: int = 7, owner: str = "nobody") -> None:
        self.house = House(root, owner)
        self.index, self.store = self.house.index, self.house.store
        self.notes = Notes()
        self.tidied = 0
        live_set = cast(LiveSet, self.notes)
        self.remover = Remover(self.index, self.store, live_set, unpack, retention_days, self._tidy)

    def _tidy(self) -> None:
        self.tidied += 1

    @property
    def active(self) -> dict[str, str]:
        return {name: record.ref.version for name, record in self.index.active().items()}

    def let_time_pass(self, days: float) -> None:
        """Everything was deleted so much earlier."""
        with self.index.database.atomic() as db:
            for row in self.index.database.rows("SELECT * FROM deleted"):
                earlier = [
                    (datetime.fromisoformat(row[column]) - timedelta(days=days)).astimezone(UTC)
                    for column in ("deleted_at", "expires_at")
                ]
                db.execute(
                    "UPDATE deleted SET deleted_at = ?, expires_at = ? WHERE install_id = ?",
                    (*(at.isoformat(timespec="microseconds") for at in earlier), row["install_id"]),
                )

    def check(self) -> None:
        """Besides what holds in any house: what can be brought back has all it needs, and no more."""
        self.house.check()
        for install_id, ref in self.index.deleted_installs().items():
            aside = self.store.deleted(install_id)
            entry = self.index.deleted(ref)
            assert entry is not None
            assert aside.upload.is_file() == (entry.record.source == "upload")
            assert aside.tree.is_dir() == (entry.record.source == "directory")


def content(house: House, ref: PluginRef) -> str | None:
    return house.content(ref.name, ref.version)
