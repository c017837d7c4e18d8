"""How much of everything an archive may hold, and sizes in words."""

from typing import Self

from msgspec import Struct

from cadence.config import Settings

KIB = 1024
MIB = 1024 * KIB


class ArchiveLimits(Struct, frozen=True):
    """The bounds an archive is held to; units are in the names, defaults in :class:`~cadence.config.Settings`."""

    max_unpacked_bytes: int
    max_archive_entries: int
    max_compression_ratio: int
    max_path_bytes: int
    max_path_depth: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Take the limits out of the settings."""
        return cls(**{name: getattr(settings, name) for name in cls.__struct_fields__})


def bytes_in_words(count: int) -> str:
    """Say a number of bytes for a person, for example ``50 MiB``, ``1.5 KiB`` or ``200 bytes``."""
    for unit, size in (("MiB", MIB), ("KiB", KIB)):
        if count >= size:
            return f"{count / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count} bytes"
