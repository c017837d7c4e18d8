"""What the tests of the intake share."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.errors import InvalidArchive
from cadence.intake.archive import Extraction, extract
from cadence.intake.limits import ArchiveLimits
from cadence.model import Upload

LIMITS = ArchiveLimits.from_settings(Settings())

Extract = Callable[..., Extraction]
Refusal = Callable[..., dict[str, str]]


@pytest.fixture
def unpack(tmp_path: Path) -> Extract:
    """Extract an archive given as bytes to ``tmp_path/out``."""

    def run(data: bytes, limits: ArchiveLimits = LIMITS) -> Extraction:
        path = tmp_path / "upload.part"
        path.write_bytes(data)
        upload = Upload(str(path), "math_plugin-1.0.0.zip", hashlib.sha256(data).hexdigest(), len(data))
        return extract(upload, tmp_path / "out", limits)

    return run


@pytest.fixture
def refused(unpack: Extract, tmp_path: Path) -> Refusal:
    """Extract an archive that must be refused whole; the culprit (or ``""``) of each fault by its code."""

    def run(data: bytes, limits: ArchiveLimits = LIMITS) -> dict[str, str]:
        with pytest.raises(InvalidArchive) as caught:
            unpack(data, limits)
        assert [path.name for path in tmp_path.iterdir()] == ["upload.part"], "something was left behind"
        assert all(fault.stage == "archive" and fault.message for fault in caught.value.faults)
        return {fault.code: fault.culprit or "" for fault in caught.value.faults}

    return run


def naively_extracted(data: bytes, folder: Path) -> set[str]:
    """What ``zipfile.extractall`` writes for the same bytes: it must accept them, or the defence proves nothing."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        file.extractall(folder)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
