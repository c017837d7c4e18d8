"""Where packages without a wheel are built: uv outside, with the index and its credentials; what it runs, locked down.

A workbench is one plugin's: a folder with a cache of uv's own, which no other install trusts, and an interpreter that
is a script. uv runs all code of packages by it, and it locks itself down before it becomes Python, see
:mod:`cadence_sdk._runtime.build`. A build reads and writes its own files, and reaches what the plugin was granted.
"""

import contextlib
import os
import secrets
import shlex
import shutil
import socket
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from cadence.dependencies.failure import failed, fault
from cadence.model import Endpoint
from cadence_sdk._runtime.report import Layer

if TYPE_CHECKING:
    from cadence.dependencies.installation import Order

#: Gives the server's end of a socket, on which a build sends the listener of its connects, to whoever answers those.
Attach = Callable[[socket.socket, tuple[Endpoint, ...]], None]

#: The layers of the sandbox that a build needs, by their names.
NEEDED = ("landlock", "seccomp", "user ids", "process namespace", "network namespace", "mount namespace")
#: Ids that systemd names as unused, so that no account has them (https://systemd.io/UIDS-GIDS/); not the workers'.
_USERS = range(1_879_048_192 + 0x10000, 1_879_048_192 + 0x20000)
#: Where those are not mapped, in a container: below the workers', which take theirs from the end of what is.
_FALLBACK_BELOW, _FALLBACK_COUNT = 65534 - 4096, 4096
_PASSAGE = 0o711
#: How uv's cache names what it does, each with a version: as many as there will be for long.
_GIT_VERSIONS = 20
_SOURCES = "sdists-v*"
_SOURCE_TREE, _TREE_FILES = "src", frozenset({"pyproject.toml", "setup.py", "PKG-INFO"})
_REMOVALS, _REMOVAL_PAUSE_SECONDS = 50, 0.1


class Workbench(Struct, frozen=True):
    """Where to build: ``python`` is the interpreter to give to uv, ``cache`` the cache folder."""

    python: str
    cache: Path

    def verify(self) -> None:
        """Refuse what uv itself, which is not confined, may have put files of the server into.

        Packages of its own build backend uv does not build by the interpreter but in its own process. Their code is not
        run, but the files that such a package names as its readme or its license are read wherever they lie. To be
        called when a run of uv has ended, before anyone can see what came of it.

        :raises DependenciesFailed: with a fault for each such package.
        """
        faults = [
            fault("reaches_outside", f"Its {which} is a file outside of the package, which is not allowed.", package)
            for package, source in _sources(self.cache)
            for which in _outside(source)
        ]
        if faults:
            raise failed(*faults)


class Workshop:
    """Sets up workbenches.

    :param directory: where they lie while they are used; made when it is first needed.
    :param layers: what this host has to confine plugins; may take a second to answer the first time. None at all where
        the sandbox is switched off.
    :param attach: answers the connects of builds that were granted some; without it none may have any.
    """

    def __init__(
        self,
        directory: Path,
        layers: Callable[[], Sequence[Layer]],
        attach: Attach | None = None,
    ) -> None:
        self._directory = directory
        self._layers = layers
        self._attach = attach

    @contextlib.contextmanager
    def workbench(self, order: "Order") -> Iterator[Workbench]:
        """A workbench for what one plugin requires; at the end nothing of it is left.

        :raises DependenciesFailed: where the sandbox is off, or not complete.
        """
        self._require_sandbox(order.requirements)
        self._directory.mkdir(parents=True, exist_ok=True, mode=_PASSAGE)
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=self._directory)).resolve()
        try:
            folder.chmod(_PASSAGE)
            granted = order.network if self._attach is not None else ()
            bench = _set_up(folder, granted)
            with self._answering(folder, granted):
                yield bench
            bench.verify()
        finally:
            _remove(folder)

    def _require_sandbox(self, requirements: Sequence[str]) -> None:
        active = {layer.name for layer in self._layers() if layer.active}
        missing = [name for name in NEEDED if name not in active]
        if not missing:
            return
        state = (
            "which is off" if len(missing) == len(NEEDED) else f"and this server lacks some of it: {', '.join(missing)}"
        )
        words = f"Building from source needs the sandbox, {state}. Use versions of the packages that have a wheel."
        raise failed(fault("sandbox_incomplete", words, ", ".join(requirements)))

    @contextlib.contextmanager
    def _answering(self, folder: Path, network: tuple[Endpoint, ...]) -> Iterator[None]:
        """Pass on what builds send while the block runs."""
        if not network or self._attach is None:
            yield
            return
        with _listening(folder) as listening:
            thread = threading.Thread(
                target=_accept, args=(listening, network, self._attach), name="workshop", daemon=True
            )
            thread.start()
            try:
                yield
            finally:
                # Closing it would not wake the one who waits for it.
                listening.shutdown(socket.SHUT_RDWR)
                thread.join()


def _sources(cache: Path) -> Iterator[tuple[str, Path]]:
    """The source trees that uv unpacked, each with what it belongs to, ``name==version``."""
    for bucket in cache.glob(_SOURCES):
        for directory, folders, files in os.walk(bucket):
            # A package can have the name that uv gives to source trees; what is no tree holds no files of one.
            if Path(directory).name == _SOURCE_TREE and not _TREE_FILES.isdisjoint(files):
                folders.clear()
                name, version = Path(directory).parts[-4:-2]
                yield f"{name}=={version}", Path(directory)


def _outside(source: Path) -> list[str]:
    """The fields of a ``pyproject.toml`` that name a file outside of its package."""
    try:
        content = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        return ["pyproject.toml cannot be read and perhaps its readme"]
    project = content.get("project")
    fields = project if isinstance(project, dict) else {}
    return [name for name in ("readme", "license") if _leaves(fields.get(name), source)]


def _leaves(field: object, source: Path) -> bool:
    """Whether a field (PEP 621: ``readme``, ``license``), a path or a table with one, leads out of the package."""
    path = field.get("file") if isinstance(field, dict) else field
    return isinstance(path, str) and not Path(source, path).resolve().is_relative_to(source.resolve())


def _set_up(folder: Path, network: tuple[Endpoint, ...]) -> Workbench:
    """Make what :mod:`cadence_sdk._runtime.build` expects in its folder."""
    python, cache = folder / "python", folder / "cache"
    for made in (python, python / "bin", cache, folder / "stages"):
        made.mkdir(mode=_PASSAGE)
    # It looks like where Python is installed, so that the interpreter, called by the script's path, finds its library
    # from there, and tells uv that the script is what to call.
    for name in ("lib", "lib64", "include"):
        place = Path(sys.base_prefix, name)
        if place.is_dir():
            (python / name).symlink_to(place)
    # Where uv would keep repositories. It would have the host's git fetch what a package says it needs to be built.
    for version in range(_GIT_VERSIONS):
        (cache / f"git-v{version}").touch()
    (folder / "network.json").write_bytes(msgspec.json.encode(network))
    command = [sys.executable, "-I", "-B", "-m", "cadence_sdk._runtime.build", str(folder), _user()]
    wrapper = python / "bin" / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$0" "$@"\n')
    wrapper.chmod(0o755)
    return Workbench(str(wrapper), cache)


def _user() -> str:
    """A user id that nobody has, for the builds of one workbench; ``-`` where the server cannot give it."""
    if os.geteuid() != 0:
        return "-"
    spans = [tuple(int(n) for n in line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    if any(first <= _USERS.start and _USERS.stop <= first + count for first, _, count in spans):
        return str(secrets.choice(_USERS))
    end = min(max(first + count for first, _, count in spans), _FALLBACK_BELOW)
    return str(secrets.choice(range(max(1, end - _FALLBACK_COUNT), max(2, end))))


@contextlib.contextmanager
def _listening(folder: Path) -> Iterator[socket.socket]:
    """The socket ``gateway`` in the folder, for its owner alone."""
    # By way of its folder: an address holds no more than 107 bytes (unix(7)).
    directory = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(f"/proc/self/fd/{directory}/gateway")
            (folder / "gateway").chmod(0o600)
            listening.listen()
            yield listening
    finally:
        os.close(directory)


def _accept(listening: socket.socket, network: tuple[Endpoint, ...], attach: Attach) -> None:
    while True:
        try:
            channel, _ = listening.accept()
        except OSError:  # it was shut down
            return
        with channel, contextlib.suppress(OSError):  # a build that ended, or sent something else, connects nowhere
            attach(channel, network)


def _remove(folder: Path) -> None:
    """Remove it, also while processes that were just killed may still be about to end."""
    for _ in range(_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_REMOVAL_PAUSE_SECONDS)
