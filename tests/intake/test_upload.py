import gc
import hashlib
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from werkzeug.formparser import parse_form_data
from werkzeug.test import EnvironBuilder

from cadence.errors import UploadTooLarge
from cadence.intake.upload import UploadFile, receive

DATA = os.urandom(200_000)


def test_an_upload_is_kept_with_its_hash_and_size(tmp_path: Path) -> None:
    upload = receive(io.BytesIO(DATA), "math-1.0.zip", tmp_path, len(DATA))
    assert Path(upload.path).read_bytes() == DATA
    assert (upload.filename, upload.size_bytes) == ("math-1.0.zip", len(DATA))
    assert upload.sha256 == hashlib.sha256(DATA).hexdigest()
    assert [str(path) for path in tmp_path.iterdir()] == [upload.path]


def test_only_the_owner_can_read_an_upload(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        upload = receive(io.BytesIO(DATA), "a", tmp_path, len(DATA))
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(upload.path).stat().st_mode) == 0o600


def test_one_byte_too_many_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(UploadTooLarge) as caught:
        receive(io.BytesIO(DATA), "a", tmp_path, len(DATA) - 1)
    assert caught.value.status == 413
    assert "195.3 KiB" in str(caught.value.details)
    assert "CADENCE_MAX_UPLOAD_BYTES" in str(caught.value.details)
    assert not list(tmp_path.iterdir())


def test_an_upload_is_refused_before_the_rest_of_it_is_read(tmp_path: Path) -> None:
    endless = io.BufferedReader(io.FileIO("/dev/zero"))
    with endless, pytest.raises(UploadTooLarge):
        receive(endless, "a", tmp_path, 1_000_000)
    assert not list(tmp_path.iterdir())


def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise ConnectionResetError
            return super().read(size)

    with pytest.raises(ConnectionResetError):
        receive(Broken(DATA), "a", tmp_path, len(DATA))
    assert not list(tmp_path.iterdir())


def test_a_file_can_be_read_and_sought_without_harm_to_its_hash(tmp_path: Path) -> None:
    with UploadFile(tmp_path, 100) as file:
        file.write(b"hello ")
        file.seek(0)
        assert file.read() == b"hello "
        file.write(b"world")
        file.seek(0)
        upload = file.finish("a")
    assert upload.sha256 == hashlib.sha256(b"hello world").hexdigest()


def test_what_was_written_cannot_be_changed(tmp_path: Path) -> None:
    with UploadFile(tmp_path, 100) as file:
        file.write(b"hello")
        with pytest.raises(io.UnsupportedOperation):
            file.truncate(1)
        file.seek(0)
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"J")
        assert file.read() == b"hello"


def test_a_file_is_removed_unless_it_was_finished(tmp_path: Path) -> None:
    with UploadFile(tmp_path, 100) as file:
        file.write(b"hello")
    assert not list(tmp_path.iterdir())


def test_discarding_can_be_repeated_and_spares_what_was_finished(tmp_path: Path) -> None:
    dropped, kept = UploadFile(tmp_path, 100), UploadFile(tmp_path, 100)
    upload = kept.finish("a")
    for file in (dropped, dropped, kept, kept):
        file.discard()
    assert [str(path) for path in tmp_path.iterdir()] == [upload.path]


def test_a_discarded_file_cannot_be_finished(tmp_path: Path) -> None:
    file = UploadFile(tmp_path, 100)
    file.discard()
    with pytest.raises(ValueError, match="closed"):
        file.finish("a")


def test_a_missing_folder_raises_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        UploadFile(tmp_path / "missing", 100)
    gc.collect()  # a half-made file would complain here


def test_werkzeug_can_stream_a_form_into_it(tmp_path: Path) -> None:
    made: list[UploadFile] = []

    def factory(*_: object, **__: object) -> UploadFile:
        made.append(UploadFile(tmp_path, len(DATA)))
        return made[-1]

    builder = EnvironBuilder(method="POST", data={"file": (io.BytesIO(DATA), "math-1.0.zip"), "force": "1"})
    _, form, files = parse_form_data(builder.get_environ(), stream_factory=factory)
    upload = made[0].finish(files["file"].filename or "")
    assert form["force"] == "1"
    assert upload.filename == "math-1.0.zip"
    assert upload.sha256 == hashlib.sha256(DATA).hexdigest()
    builder.close()


def test_a_full_disk_is_told_as_such_and_leaves_nothing(tmp_path: Path) -> None:
    """In a process of its own, where the kernel refuses files of more than 64 KiB."""
    script = (
        "import io, os, resource, sys; from pathlib import Path\n"
        "from cadence.errors import StorageFull; from cadence.intake.upload import receive\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536 + 10, 65536 + 10))\n"
        "try: receive(io.BytesIO(bytes(200_000)), 'a', Path(sys.argv[1]), 10**6)\n"
        "except StorageFull as error: print(error.status, os.listdir(sys.argv[1]))\n"
    )
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert result.stdout == "507 []\n"
