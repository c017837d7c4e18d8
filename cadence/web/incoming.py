"""Uploads whose bytes are still coming in: what they are called, and how much of each is here.

They are no installs yet: an install begins once its archive is here whole. Other operators see them all the same, and
whoever sends one learns what has really come, where a browser only knows what it has handed on.
"""

import threading
import time
from collections.abc import Callable

from flask import current_app
from msgspec import Struct

from cadence.intake.faults import printable
from cadence.intake.upload import UploadFile

#: So many are shown; the server takes no more at once.
MOST_SHOWN = 20
#: The longest key a browser can give its upload, in characters.
_LONGEST_KEY = 40


#: Where an application has the uploads that come in.
EXTENSION = "cadence_incoming"


class IncomingUpload(Struct, frozen=True):
    """One upload. ``key`` is what the browser that sends it calls it.

    ``total_bytes`` is the size of the request, with what little is in it beside the file; None where it is not known.
    """

    id: str
    filename: str
    received_bytes: int
    total_bytes: int | None
    key: str

    @property
    def fraction(self) -> float:
        """How much of it is here, from 0 to 1."""
        return min(1.0, self.received_bytes / self.total_bytes) if self.total_bytes else 0.0


class _Entry(Struct, frozen=True):
    id: str
    file: UploadFile
    filename: str
    total_bytes: int | None
    key: str
    began: float


class IncomingUploads:
    """What comes in at this process. Any thread may use it.

    :param clock: seconds that only ever rise.
    :param shown_after: for so many seconds an upload is not told of: most are over by then.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, shown_after: float = 0.25) -> None:
        self._clock = clock
        self._shown_after = shown_after
        self._guard = threading.Lock()
        self._entries: dict[int, _Entry] = {}
        self._count = 0

    def begin(self, file: UploadFile, filename: str, total_bytes: int | None, key: str = "") -> None:
        """Follow a file that comes in, until :meth:`end`."""
        with self._guard:
            self._count += 1
            given = (file, printable(filename), total_bytes, key[:_LONGEST_KEY], self._clock())
            self._entries[id(file)] = _Entry(f"{self._count:x}", *given)

    def end(self, file: UploadFile) -> None:
        """It is here, or will not come any more. Any number of times."""
        with self._guard:
            self._entries.pop(id(file), None)

    def all(self) -> list[IncomingUpload]:
        """Those that are coming in, the latest first."""
        with self._guard:
            entries = [one for one in self._entries.values() if not one.file.closed]
        due = self._clock() - self._shown_after
        shown = [one for one in reversed(entries) if one.began <= due][:MOST_SHOWN]
        return [IncomingUpload(one.id, one.filename, one.file.size_bytes, one.total_bytes, one.key) for one in shown]


def incoming_uploads() -> IncomingUploads:
    """The uploads that come in at the current application."""
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, IncomingUploads)
    return found
