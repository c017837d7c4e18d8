"""A lock becomes a directory of packages, shared by all versions of plugins whose locks are equal."""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from cadence.dependencies import host
from cadence.dependencies.command import Ended, Uv
from cadence.dependencies.explanation import explain
from cadence.dependencies.failure import failed, fault
from cadence.dependencies.lock import Lock
from cadence.dependencies.surface import refusals
from cadence.errors import StorageFull

_LOCK_POLL_SECONDS = 0.05
_LOCKS = ".locks"


class EnvironmentMissing(Exception):
    """An environment that should be there is not."""


class Lease:
    """Keeps an environment from being removed until it is closed, or this process ends.

    :ivar path: its folder.
    """

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        self._guard = threading.Lock()

    def close(self) -> None:
        """Let it go; a second call does nothing."""
        with self._guard:
            file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


class Environments:
    """The environments of one instance, each in a folder under its lock's key.

    A folder under a key is whole: it is filled elsewhere (``.<key>-…``) and renamed when it is ready. Threads and
    processes that want the same one wait for each other.

    :param directory: where they lie; made when it is first needed.
    :param protected: top-level modules that no package may bring, and the distribution each belongs to; by default
        what every worker has preloaded.
    """

    def __init__(self, directory: Path, protected: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._protected = protected

    def path(self, key: str) -> Path:
        """Where the environment of that key lies or would lie."""
        return self._directory / key

    def lease(self, path: Path) -> Lease:
        """Keep an environment that is there, by its folder.

        :raises EnvironmentMissing: when it is not there.
        """
        file = self._open_lock(path.name)
        try:
            # Whoever removes it holds the lock alone, and only for a moment.
            fcntl.flock(file, fcntl.LOCK_SH)
            if not path.is_dir():
                raise EnvironmentMissing(path.name)
        except BaseException:
            os.close(file)
            raise
        return Lease(path, file)

    def ensure(self, lock: Lock, uv: Uv) -> Lease | None:
        """The environment of a lock, installed unless it is there; ``None`` when the lock needs none.

        :raises DependenciesFailed: when a package cannot be installed or must not be.
        :raises Cancelled: when the install was cancelled.
        :raises StorageFull: when there is no room for it.
        """
        if (key := lock.key) is None:
            return None
        path = self.path(key)
        while True:
            # One that is removed in between is made again.
            with contextlib.suppress(EnvironmentMissing):
                return self.lease(path)
            with _storage_errors(), self._locked(key, uv):
                if not path.is_dir():
                    self._install(lock, key, uv)

    def recover(self) -> None:
        """Remove what installs left that died; those that run, also in other processes, are left alone."""
        for leftover in self._directory.glob(".*-*"):
            key = leftover.name[1:].rpartition("-")[0]
            with self._lock_file(key) as file, contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self, key: str, uv: Uv) -> Iterator[None]:
        """Hold the key against threads and processes: each opens the file anew, so flock(2) tells them apart."""
        with self._lock_file(key) as file:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                uv.raise_if_cancelled()
                time.sleep(_LOCK_POLL_SECONDS)
            yield

    @contextlib.contextmanager
    def _lock_file(self, key: str) -> Iterator[int]:
        # Never removed: whoever waits for one that is no longer in the folder would hold a lock that no one sees.
        file = self._open_lock(key)
        try:
            yield file
        finally:
            os.close(file)

    def _open_lock(self, key: str) -> int:
        folder = self._directory / _LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _install(self, lock: Lock, key: str, uv: Uv) -> None:
        for leftover in self._directory.glob(f".{key}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=self._directory))
        try:
            packages = staging / "packages"
            _fill(packages, lock, uv)
            protected = host.modules() if self._protected is None else self._protected
            if faults := refusals(packages, lock, protected):
                raise failed(*faults)
            packages.rename(self.path(key))
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _fill(target: Path, lock: Lock, uv: Uv) -> None:
    try:
        output = uv.run(
            "install",
            "--requirements=-",
            f"--target={target}",
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            "--compile-bytecode",
            # A link would let whoever writes into one environment change the cache, and all others with it.
            "--link-mode=copy",
            stdin=lock.text,
        )
    except Ended as ended:
        everything = ", ".join(dict.fromkeys(lock.culprits.values()))
        raise failed(fault("no_progress", f"The installer {ended} and was ended.", everything)) from None
    if output.code != 0:
        raise failed(explain(output.words, lock.culprits, {}))
    # What uv locked the folder with; it can be written by anyone.
    (target / ".lock").unlink(missing_ok=True)


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("There is no room for the packages that the plugin needs.") from error
        raise
