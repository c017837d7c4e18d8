"""A lock becomes a directory of packages, shared by all versions of plugins whose locks are equal."""

import contextlib
import errno
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Set
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from packaging.utils import canonicalize_name

from cadence.dependencies import host, room, surface, tree
from cadence.dependencies.command import Ended, Uv
from cadence.dependencies.explanation import explain
from cadence.dependencies.failure import failed, fault
from cadence.dependencies.hold import Holds
from cadence.dependencies.lock import Lock
from cadence.dependencies.room import Room
from cadence.errors import StorageFull

_POLL_SECONDS = 0.05
_PASSAGE = 0o711  # workers pass through to their own, and cannot list it


class EnvironmentMissing(Exception):
    """An environment that should be there is not."""


class Usage(Struct, frozen=True):
    """An environment on the disk: the room it takes, what is in it, and since when (UTC, ISO 8601).

    ``packages`` are as ``name==version``, sorted; ``package_bytes`` is the room of each by its canonical name, without
    those of which it is not known.
    """

    key: str
    size_bytes: int
    packages: tuple[str, ...]
    made_at: str
    package_bytes: dict[str, int] = {}


class Lease:
    """Keeps an environment from being removed until it is closed, or this process ends.

    :ivar path: its folder.
    """

    def __init__(self, path: Path, file: int, on_close: Callable[[], object] = lambda: None) -> None:
        self.path = path
        self._file = file
        self._on_close = on_close
        self._guard = threading.Lock()

    def close(self) -> None:
        """Let it go; a second call does nothing."""
        with self._guard:
            file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
            self._on_close()


class Environments:
    """The environments of one instance, each in a folder under its lock's key.

    A folder under a key is whole, and on the disk: it is filled elsewhere (``.<key>-…``), written through, and renamed
    when it is ready. It goes the same way. Threads and processes that want the same one wait for each other: who makes
    or removes it holds its key alone, and a :class:`Lease` is a hold that is shared.

    :param directory: where they lie; made when it is first needed.
    :param protected: top-level modules that no package may bring, and the distribution each belongs to; by default
        what every worker has preloaded. Only those of the SDK count for one that holds all its plugin imports.
    :ivar on_release: is called whenever a lease was closed: perhaps nobody needs its environment any more.
    """

    def __init__(self, directory: Path, protected: Mapping[str, str] | None = None) -> None:
        self.on_release: Callable[[], object] = lambda: None
        self._directory = directory
        self._protected = protected
        self._holds = Holds(directory / ".locks")

    def path(self, key: str) -> Path:
        """Where the environment of that key lies or would lie."""
        return self._directory / key

    def lease(self, path: Path) -> Lease:
        """Keep an environment that is there, by its folder.

        :raises EnvironmentMissing: when it is not there.
        """
        while path.is_dir():
            file = self._holds.take(path.name, alone=False)
            if file is None:
                # It is being removed, or was made just now: that takes no longer than a rename.
                time.sleep(_POLL_SECONDS)
            elif path.is_dir():
                return self._lease(path, file)
            else:
                os.close(file)
        raise EnvironmentMissing(path.name)

    def ensure(self, lock: Lock, uv: Uv) -> Lease | None:
        """The environment of a lock, installed unless it is there; ``None`` when the lock needs none.

        :raises DependenciesFailed: when a package cannot be installed or must not be.
        :raises Cancelled: when the install was cancelled.
        :raises StorageFull: when there is no room for it.
        """
        if (key := lock.key) is None:
            return None
        path = self.path(key)
        with _storage_errors():
            while True:
                # One that is removed in between is made again.
                with contextlib.suppress(EnvironmentMissing):
                    return self.lease(path)
                file = self._alone(key, uv)
                if file is None:
                    continue
                try:
                    if not path.is_dir():
                        self._install(lock, key, uv)
                    if self._holds.share(key, file) and path.is_dir():
                        lease, file = self._lease(path, file), -1
                        return lease
                finally:
                    if file >= 0:
                        os.close(file)

    def recover(self) -> None:
        """Remove what installs and removals left that died; those that run, also elsewhere, are left alone."""
        for leftover in self._directory.glob(".*-*"):
            with self._if_free(leftover.name[1:].rpartition("-")[0]) as is_free:
                if is_free:
                    tree.remove(leftover)

    def collect(self, needed: Callable[[], Set[str]]) -> tuple[str, ...]:
        """Remove the environments that are not needed and that nobody leases, in any process.

        Each goes whole: it is renamed first. An install keeps its lease until its version is in the index, so
        ``needed`` is asked again for each, once it is certain that no lease is left.

        :param needed: gives the keys that some version needs.
        :returns: the keys of those that were removed, sorted.
        """
        removed = []
        for key in sorted((self.keys() | self._holds.names()) - needed()):
            with self._if_free(key) as is_free:
                if not is_free or not self.path(key).is_dir() or key in needed():
                    continue
                doomed = self._directory / f".{key}-{secrets.token_hex(4)}"
                self.path(key).rename(doomed)
                removed.append(key)
            tree.remove(doomed)
        return tuple(removed)

    def keys(self) -> set[str]:
        """The keys of the environments that are there."""
        return {entry.name for entry in self._directory.glob("[!.]*") if entry.is_dir()}

    def room(self, key: str) -> Room | None:
        """The room that an environment and each package in it take; None where it is not there."""
        return room.taken(self.path(key))

    def usage(self) -> tuple[Usage, ...]:
        """What is there and what it takes, by key."""
        found = []
        for key in sorted(self.keys()):
            with contextlib.suppress(FileNotFoundError):  # it is removed meanwhile
                found.append(_usage(self.path(key)))
        return tuple(found)

    def _lease(self, path: Path, file: int) -> Lease:
        return Lease(path, file, lambda: self.on_release())

    def _alone(self, key: str, uv: Uv) -> int | None:
        """Hold a key alone, once nobody else does; None once somebody else has made its environment."""
        while (file := self._holds.take(key, alone=True)) is None:
            uv.raise_if_cancelled()
            # A worker that has it already holds the key for as long as it lives.
            if self.path(key).is_dir():
                return None
            time.sleep(_POLL_SECONDS)
        return file

    @contextlib.contextmanager
    def _if_free(self, key: str) -> Iterator[bool]:
        """Whether nobody holds a key, which is held alone for the block then."""
        file = self._holds.take(key, alone=True)
        try:
            yield file is not None
        finally:
            if file is not None:
                self._forget_unless_made(key)
                os.close(file)

    def _forget_unless_made(self, key: str) -> None:
        if not self.path(key).is_dir():
            self._holds.forget(key)

    def _install(self, lock: Lock, key: str, uv: Uv) -> None:
        self._directory.chmod(_PASSAGE)
        for leftover in self._directory.glob(f".{key}-*"):
            tree.remove(leftover)
        staging = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=self._directory))
        try:
            packages = staging / "packages"
            _fill(packages, lock, uv)
            if faults := surface.refusals(packages, lock, self._protected_for(lock)):
                raise failed(*faults)
            for words in surface.leave_out(packages):
                uv.say(words)
            tree.make_readable(packages)
            tree.sync(packages)
            uv.raise_if_cancelled()
            packages.rename(self.path(key))
            tree.sync_path(self._directory)
        except BaseException:
            self._forget_unless_made(key)
            raise
        finally:
            tree.remove(staging)

    def _protected_for(self, lock: Lock) -> Mapping[str, str]:
        protected = host.modules() if self._protected is None else self._protected
        if not lock.isolated:
            return protected
        return {module: owner for module, owner in protected.items() if owner == host.SDK}


def _fill(target: Path, lock: Lock, uv: Uv) -> None:
    try:
        output = uv.run(
            "install",
            "--requirements=-",
            f"--target={target}",
            "--require-hashes",
            "--no-deps",
            *([] if uv.builds else ["--only-binary=:all:"]),
            "--compile-bytecode",
            # A link would let whoever writes into one environment change the cache, and all others with it.
            "--link-mode=copy",
            stdin=lock.text,
            packages=len(lock.packages),
        )
    except Ended as ended:
        everything = ", ".join(dict.fromkeys(lock.culprits.values()))
        raise failed(fault("no_progress", f"The installer {ended} and was ended.", everything)) from None
    if output.code != 0:
        raise failed(explain(output.words, lock.culprits, {}))
    # What uv locked the folder with; it can be written by anyone.
    (target / ".lock").unlink(missing_ok=True)


def _usage(path: Path) -> Usage:
    installed = (folder.name.removesuffix(".dist-info").partition("-") for folder in path.glob("*.dist-info"))
    made_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    packages = sorted(f"{canonicalize_name(name)}=={version}" for name, _, version in installed)
    found = room.taken(path)
    return Usage(path.name, tree.size_bytes(path), tuple(packages), made_at, found.packages if found else {})


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("There is no room for the packages that the plugin needs.") from error
        raise
