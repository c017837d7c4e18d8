"""Receive an archive: a stream becomes a private temporary file, capped and hashed while it is written."""

import hashlib
import io
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cadence.errors import UploadTooLarge
from cadence.intake.disk import full_disk_refused
from cadence.intake.limits import KIB, bytes_in_words
from cadence.model import Upload

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CHUNK_BYTES = 64 * KIB


class UploadFile(io.FileIO):
    """A binary file for one upload: written once from start to end, read and sought at will.

    It is what a ``stream_factory`` of Werkzeug may return. Only this process's user can read it (mode 0600).
    Closing or discarding it, or leaving its ``with`` block, removes the file unless :meth:`finish` was called.

    :param directory: an existing folder, on the file system where the archive is to stay.
    :param max_bytes: the most that may be written.
    :raises StorageFull: when the disk has no room.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._kept = False
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._began = time.perf_counter()
        self._hash = hashlib.sha256()
        with full_disk_refused("receive the upload"):
            descriptor, path = tempfile.mkstemp(prefix="upload-", suffix=".part", dir=directory)
        self.path = Path(path)
        super().__init__(descriptor, "w+b")

    @property
    def size_bytes(self) -> int:
        """How much has come so far, in bytes."""
        return self._size_bytes

    def write(self, data: "ReadableBuffer", /) -> int:
        """Append all of ``data`` and return its length in bytes.

        :raises UploadTooLarge: as soon as the limit is passed; the file is gone then.
        :raises StorageFull: when the disk has no room; the file is gone then.
        :raises io.UnsupportedOperation: anywhere but at the end, where the hash could not follow.
        """
        view = memoryview(data).cast("B")
        if self.tell() != self._size_bytes:
            raise io.UnsupportedOperation("an upload can only be appended to")
        try:
            self._refuse_more_than_the_limit(view.nbytes)
            with full_disk_refused("receive the upload"):
                self._write_all(view)
        except BaseException:
            self.discard()
            raise
        self._hash.update(view)
        self._size_bytes += view.nbytes
        return view.nbytes

    def _refuse_more_than_the_limit(self, more_bytes: int) -> None:
        if self._size_bytes + more_bytes > self._max_bytes:
            raise UploadTooLarge(
                f"The file is larger than the {bytes_in_words(self._max_bytes)} this server takes; "
                "make the archive smaller, or have CADENCE_MAX_UPLOAD_BYTES raised"
            )

    def _write_all(self, view: memoryview) -> None:
        """Write on where the system took only a part, as it does shortly before the disk is full."""
        while view:
            view = view[super().write(view) :]

    def truncate(self, size: int | None = None, /) -> int:
        """Refuse: the hash could not follow."""
        raise io.UnsupportedOperation("an upload can only be appended to")

    def finish(self, filename: str) -> Upload:
        """Close the file, keep it and hand it over: from now on it is the caller's to remove.

        :param filename: what the client called it; not checked here.
        """
        self._checkClosed()
        self._kept = True
        self.close()
        received_ms = round((time.perf_counter() - self._began) * 1000, 3)
        return Upload(str(self.path), filename, self._hash.hexdigest(), self._size_bytes, received_ms)

    def discard(self) -> None:
        """Close and remove the file, unless it was finished. Any number of times."""
        self.close()

    def close(self) -> None:
        """Close the file, and remove it unless it was finished."""
        super().close()
        if not self._kept:
            self.path.unlink(missing_ok=True)


def receive(stream: BinaryIO, filename: str, directory: Path, max_bytes: int) -> Upload:
    """Copy a stream into a private file in ``directory``; on any error nothing is left there.

    :param stream: read to its end, in chunks.
    :param filename: what the client called it; not checked here.
    :raises UploadTooLarge: when more than ``max_bytes`` come.
    :raises StorageFull: when the disk has no room.
    """
    with UploadFile(directory, max_bytes) as file:
        while chunk := stream.read(CHUNK_BYTES):
            file.write(chunk)
        return file.finish(filename)
