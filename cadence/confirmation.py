"""Archives that were checked, or failed to install, kept for a while so that exactly these bytes can be tried again.

A kept archive has no name on the disk: its file is removed and held open. So nobody can change it, and however this
process ends, nothing of it is left. What is taken out is a copy, whose SHA-256 is that of what was checked.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, structs

from cadence.errors import NotFound, Refused
from cadence.intake.upload import CHUNK_BYTES, UploadFile
from cadence.model import InstallKind, InstallOptions, InstallRecord, InstallState, Upload

#: Archives that are kept at once; the oldest makes room.
MAX_KEPT = 16


class NotKept(Refused):
    """What was looked at is not here any more."""

    status = 410
    message = "Archive not kept"


class NotConfirmable(Refused):
    """What is to be confirmed is no check, or none that passed."""

    status = 409
    message = "Nothing to confirm"


class NotRetryable(Refused):
    """What is to be tried again did not fail."""

    status = 409
    message = "Nothing to try again"


class Taken(Struct, frozen=True):
    """An archive that was kept, as an upload, and how it was checked or was to be installed."""

    upload: Upload
    options: InstallOptions

    def again(self, *, force_overwrite: bool | None = None) -> InstallOptions:
        """How to do the same once more, but for what is given here."""
        return structs.replace(
            self.options,
            force_overwrite=self.options.force_overwrite if force_overwrite is None else force_overwrite,
        )

    def confirmed(self, *, force_overwrite: bool | None = None, activate: bool | None = None) -> InstallOptions:
        """How to install it: as it was checked, but for what is given here.

        Its dependencies are those that the check came to, also where that resolved them anew.
        """
        checked = self.options
        return InstallOptions(
            checked.force_overwrite if force_overwrite is None else force_overwrite,
            checked.activate if activate is None else activate,
        )


def require_confirmable(record: InstallRecord | None, check_id: str) -> None:
    """Refuse what cannot be confirmed, whatever is kept of it.

    :raises NotFound: when there is no such check.
    :raises NotConfirmable: when it is an install, still runs, or did not pass.
    """
    if record is None:
        raise NotFound(f"There is no check {check_id!r}.")
    if record.kind is not InstallKind.CHECK:
        raise NotConfirmable(f"{record.filename} was uploaded to be installed, not to be checked first.")
    if record.state is InstallState.RUNNING:
        raise NotConfirmable(f"The check of {record.filename} is not over yet. Wait for it, then confirm it.")
    if record.state is not InstallState.SUCCEEDED:
        raise NotConfirmable(f"The check of {record.filename} did not pass, so it cannot be installed.")


def require_retryable(record: InstallRecord | None, install_id: str) -> None:
    """Refuse what cannot be tried again, whatever is kept of it.

    :raises NotFound: when there is no such install or check.
    :raises NotRetryable: when it runs, or succeeded.
    """
    if record is None:
        raise NotFound(f"There is no install {install_id!r}.")
    if record.state is InstallState.RUNNING:
        raise NotRetryable(f"The {record.kind} of {record.filename} is not over yet.")
    if record.state is InstallState.SUCCEEDED:
        raise NotRetryable(f"The {record.kind} of {record.filename} succeeded.")


class _Kept(Struct, frozen=True):
    file: BinaryIO
    upload: Upload
    options: InstallOptions
    until: float


class KeptArchives:
    """The archives of the latest installs and checks of this process, but for those that were installed.

    :param seconds: how long each is kept.
    :param max_bytes: what they may hold together; the oldest make room.
    :param clock: seconds that only ever rise.
    """

    def __init__(self, seconds: float, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._closed = False

    def keep(self, check_id: str, upload: Upload, options: InstallOptions) -> float:
        """Keep what was uploaded, from now on for a while; the file is removed by the caller afterwards.

        :returns: for how long, in seconds: 0 when it is too large.
        :raises OSError: when the file cannot be opened.
        """
        if upload.size_bytes > self._max_bytes:
            return 0.0
        file = open(upload.path, "rb", opener=_without_links)  # noqa: SIM115 - closed by whoever lets it go
        with self._guard:
            self._let_go_of_old()
            self._drop(check_id)
            while len(self._kept) >= MAX_KEPT or self._size_bytes() + upload.size_bytes > self._max_bytes:
                self._let_go(next(iter(self._kept)))
            self._kept[check_id] = _Kept(file, upload, options, self._clock() + self._seconds)
            if self._closed:
                self._let_go(check_id)
        return self._seconds

    def forget(self, check_id: str) -> None:
        """Let go of what nobody needs any more."""
        with self._guard:
            self._drop(check_id)

    def has(self, check_id: str) -> bool:
        """Whether the archive of a check can be had."""
        with self._guard:
            self._let_go_of_old()
            return check_id in self._kept

    def take(self, check_id: str, receive: Callable[[], UploadFile]) -> Taken:
        """Give out an archive, once.

        :param receive: makes the file that it is copied into.
        :raises NotKept: when it is not kept any more, or its bytes are not those that were checked.
        :raises UploadTooLarge: as the file does; it is kept on then, as with any other error of the copy.
        """
        with self._guard:
            self._let_go_of_old()
            kept = self._kept.pop(check_id, None)
        if kept is None:
            raise NotKept(
                f"An archive is kept for {self._seconds / 60:g} minutes, by the server process that looked at it, "
                "and until it is installed. It is gone; upload it again."
            )
        try:
            copy = _copied(kept, receive)
        except BaseException:
            with self._guard:
                self._kept[check_id] = kept
                if self._closed:
                    self._let_go(check_id)
            raise
        kept.file.close()
        if copy.sha256 != kept.upload.sha256:
            Path(copy.path).unlink()
            raise NotKept("The archive is not the one that was uploaded. Upload it again.")
        return Taken(copy, kept.options)

    def close(self) -> None:
        """Let go of all; what is kept from now on is let go at once."""
        with self._guard:
            self._closed = True
            for check_id in list(self._kept):
                self._let_go(check_id)

    def _let_go_of_old(self) -> None:
        now = self._clock()
        for check_id in [one for one, kept in self._kept.items() if kept.until <= now]:
            self._let_go(check_id)

    def _drop(self, check_id: str) -> None:
        if check_id in self._kept:
            self._let_go(check_id)

    def _let_go(self, check_id: str) -> None:
        self._kept.pop(check_id).file.close()

    def _size_bytes(self) -> int:
        return sum(kept.upload.size_bytes for kept in self._kept.values())


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _copied(kept: _Kept, receive: Callable[[], UploadFile]) -> Upload:
    with receive() as file:
        kept.file.seek(0)
        while chunk := kept.file.read(CHUNK_BYTES):
            file.write(chunk)
        return file.finish(kept.upload.filename)
