"""Confirming a check: exactly the bytes that were checked are installed, and for a while they can be."""

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cadence.confirmation import (
    MAX_KEPT,
    KeptArchives,
    NotConfirmable,
    NotKept,
    NotRetryable,
    require_confirmable,
    require_retryable,
)
from cadence.errors import NotFound, PluginExists, UploadTooLarge, ValidationFailed
from cadence.intake.upload import UploadFile, receive
from cadence.model import CheckOptions, InstallKind, InstallOptions, InstallRecord, InstallState, Upload
from cadence.parts import Parts
from tests.installs.uploads import check, received

KEEP_SECONDS = 900.0
MAX_KEPT_BYTES = 256 * 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Shelf:
    """Checked archives, and a folder for uploads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.archives = KeptArchives(KEEP_SECONDS, MAX_KEPT_BYTES, self.clock)

    def keep(self, check_id: str = "c", contents: bytes = b"archive", size_bytes: int | None = None) -> float:
        """Keep an archive whose file is then removed, as the check does. It may claim another size."""
        upload = receive(io.BytesIO(contents), "demo-1.0.zip", self.folder, 1000)
        claimed = Upload(upload.path, upload.filename, upload.sha256, size_bytes or upload.size_bytes)
        kept_seconds = self.archives.keep(check_id, claimed, CheckOptions())
        Path(upload.path).unlink()
        return kept_seconds

    def receive(self) -> UploadFile:
        return UploadFile(self.folder, 1000)

    def open_files(self) -> int:
        """How many files of the folder this process holds open, also those that have no name there any more."""
        count = 0
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # another thread's, closed meanwhile
                count += self.folder in link.readlink().parents
        return count

    def take(self, check_id: str = "c") -> bytes:
        return Path(self.archives.take(check_id, self.receive).upload.path).read_bytes()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.archives.close()


def test_what_was_checked_is_given_out_once_and_had_no_name_on_the_disk_before(shelf: Shelf) -> None:
    assert shelf.keep(contents=b"bytes") == KEEP_SECONDS
    assert list(shelf.folder.iterdir()) == []
    assert shelf.archives.has("c")
    taken = shelf.archives.take("c", shelf.receive)
    assert (Path(taken.upload.path).read_bytes(), taken.upload.filename) == (b"bytes", "demo-1.0.zip")
    assert not shelf.archives.has("c")
    with pytest.raises(NotKept, match="upload it again"):
        shelf.take()


def test_it_is_gone_after_a_while(shelf: Shelf) -> None:
    shelf.keep()
    shelf.clock.seconds += KEEP_SECONDS - 1
    assert shelf.archives.has("c")
    shelf.clock.seconds += 1
    assert not shelf.archives.has("c")
    with pytest.raises(NotKept):
        shelf.take()


def test_the_oldest_makes_room_for_more_than_are_kept(shelf: Shelf) -> None:
    for number in range(MAX_KEPT + 3):
        shelf.keep(f"c{number}")
    assert [shelf.archives.has(f"c{number}") for number in (2, 3, MAX_KEPT + 2)] == [False, True, True]
    assert shelf.open_files() == MAX_KEPT
    shelf.archives.close()
    assert shelf.open_files() == 0


def test_the_oldest_makes_room_for_more_bytes_than_are_kept(shelf: Shelf) -> None:
    shelf.keep("first", size_bytes=MAX_KEPT_BYTES // 2)
    shelf.keep("second", size_bytes=MAX_KEPT_BYTES // 2)
    shelf.keep("third", size_bytes=1)
    assert [shelf.archives.has(one) for one in ("first", "second", "third")] == [False, True, True]
    assert shelf.keep("huge", size_bytes=MAX_KEPT_BYTES + 1) == 0
    assert shelf.archives.has("third")


def test_a_copy_that_fails_leaves_it_to_be_taken_again(shelf: Shelf) -> None:
    shelf.keep(contents=b"bytes")
    with pytest.raises(UploadTooLarge):
        shelf.archives.take("c", lambda: UploadFile(shelf.folder, 2))
    assert list(shelf.folder.iterdir()) == []
    assert shelf.take() == b"bytes"


def test_other_bytes_than_those_that_were_checked_are_not_given_out(shelf: Shelf) -> None:
    upload = receive(io.BytesIO(b"checked"), "demo-1.0.zip", shelf.folder, 1000)
    shelf.archives.keep("c", upload, CheckOptions())
    with Path(upload.path).open("r+b") as file:
        file.write(b"altered")
    Path(upload.path).unlink()
    with pytest.raises(NotKept, match="not the one that was uploaded"):
        shelf.take()
    assert list(shelf.folder.iterdir()) == []


def test_nothing_is_kept_by_a_process_that_ends(shelf: Shelf) -> None:
    shelf.archives.close()
    shelf.keep()
    assert not shelf.archives.has("c")


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        (InstallKind.INSTALL, InstallState.SUCCEEDED, "not to be checked first"),
        (InstallKind.CHECK, InstallState.RUNNING, "not over yet"),
        (InstallKind.CHECK, InstallState.FAILED, "did not pass"),
        (InstallKind.CHECK, InstallState.CANCELLED, "did not pass"),
    ],
)
def test_only_a_check_that_passed_can_be_confirmed(kind: InstallKind, state: InstallState, words: str) -> None:
    with pytest.raises(NotConfirmable, match=words):
        require_confirmable(InstallRecord("c", "demo-1.0.zip", state, "", kind=kind), "c")
    with pytest.raises(NotFound):
        require_confirmable(None, "c")


def test_a_confirmed_check_is_installed_with_its_options(parts: Parts) -> None:
    found = check(parts, CheckOptions(activate=False, upgrade=True))
    assert found.kept_seconds == KEEP_SECONDS
    installer = parts.serving.installer
    taken = installer.kept.take(found.install_id, parts.serving.receive)
    assert taken.confirmed() == InstallOptions(activate=False)
    assert taken.confirmed(force_overwrite=True, activate=True) == InstallOptions(force_overwrite=True, activate=True)
    result = installer.install(taken.upload, taken.confirmed())
    assert (result.sha256, result.activated) == (taken.upload.sha256, False)


def test_a_check_that_fails_cannot_be_confirmed_and_can_be_tried_again(parts: Parts) -> None:
    with pytest.raises(ValidationFailed, match="Missing required file"):
        check(parts, files={"tools.py": None})
    installer = parts.serving.installer
    failed = installer.records(1)[0]
    with pytest.raises(NotConfirmable):
        require_confirmable(failed, failed.id)
    taken = installer.kept.take(failed.id, parts.serving.receive)
    with pytest.raises(ValidationFailed, match="Missing required file"):
        installer.check(taken.upload, CheckOptions())


def test_what_failed_is_kept_to_be_tried_again_with_the_options_it_had(parts: Parts) -> None:
    installer = parts.serving.installer
    installer.install(received(parts), InstallOptions())
    with pytest.raises(PluginExists):
        installer.install(received(parts), InstallOptions(activate=False))
    failed = installer.records(1)[0]
    require_retryable(failed, failed.id)
    taken = installer.kept.take(failed.id, parts.serving.receive)
    assert taken.again() == InstallOptions(activate=False)
    result = installer.install(taken.upload, taken.again(force_overwrite=True))
    assert result.replaced
    with pytest.raises(NotKept):
        installer.kept.take(failed.id, parts.serving.receive)


def test_what_was_installed_is_not_kept_and_cannot_be_tried_again(parts: Parts) -> None:
    installer = parts.serving.installer
    done = installer.install(received(parts), InstallOptions())
    assert not installer.kept.has(done.install_id)
    with pytest.raises(NotRetryable, match="succeeded"):
        require_retryable(installer.record(done.install_id), done.install_id)
    with pytest.raises(NotFound):
        require_retryable(None, "x")


def test_a_check_compares_with_the_active_version_or_else_with_the_highest(parts: Parts) -> None:
    assert check(parts).comparison is None
    installer = parts.serving.installer
    installer.install(received(parts, version="1.0.0"), InstallOptions())
    installer.install(received(parts, version="2.0.0"), InstallOptions(activate=False))
    found = check(parts, version="3.0.0", tools=MULTIPLY).comparison
    assert found is not None
    assert (found.old_version, found.new_version) == ("1.0.0", "3.0.0")
    assert found.breaking == ("Tool `add` is gone.",)
    assert [file.path for file in found.files.changed] == ["plugin.py", "tools.py"]
    assert found.unknown == ()


MULTIPLY = """
    from cadence_sdk import tool

    @tool
    def multiply(a: int, b: int) -> int:
        "Multiply."
        return a * b

    TOOLS = [multiply]
"""
