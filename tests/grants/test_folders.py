"""The modes of folders, whatever was there before and whatever the umask says."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.parts import Parts
from cadence.storage.folders import PASSAGE, make_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_folder_has_its_mode_whatever_the_umask_says(tmp_path: Path, umask: int) -> None:
    make_folder(tmp_path / "new", PASSAGE)
    (tmp_path / "old").mkdir(mode=0o777)
    make_folder(tmp_path / "old", PASSAGE)
    assert (mode(tmp_path / "new"), mode(tmp_path / "old")) == (0o711, 0o711)


def test_the_folders_of_an_instance_are_closed(tmp_path: Path, umask: int) -> None:
    settings = Settings(instance=tmp_path / "instance", store_archived=tmp_path / "archives")
    settings.plugin_dir.mkdir(parents=True, mode=0o755)
    settings.instance.chmod(0o750)
    Parts(settings).close()
    assert mode(settings.instance) == 0o750, "what the operator made keeps the operator's mode"
    assert (mode(settings.plugin_dir), mode(settings.archive_dir)) == (0o700, 0o700)
    assert mode(settings.instance / "index.db") == 0o600


def test_a_store_elsewhere_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    settings = Settings(instance=tmp_path / "instance", store_archived=tmp_path / "archives")
    settings.archive_dir.mkdir(mode=0o750)
    Parts(settings).close()
    assert mode(settings.archive_dir) == 0o750
