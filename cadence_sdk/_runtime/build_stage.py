"""The files of one call: copies that the build may change, and the way back for its results.

Nothing that a build can write to is ever read or written by uv, which is not confined: neither its source tree nor the
folders where uv waits for results. The build works on copies that are mounted in their places. When all its processes
have ended, its results are looked at and copied back: plain files and folders, of the names that were asked for.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from cadence_sdk._runtime.build_call import METADATA_HOOK, REQUIRES_HOOK, Hook

_MAX_ANSWER_BYTES = 1024 * 1024
_MAX_METADATA_BYTES = 16 * 1024 * 1024
_MAX_METADATA_ENTRIES = 1000
_NEITHER = "which is neither a file nor a folder"


class Unusable(Exception):
    """A build left something that cannot be used; the words say what, in one sentence."""


class Stage:
    """The writable folders of one call of the interpreter.

    :param root: where stages lie; the source trees that builds work on are kept there between hooks.
    :param user: to whom they are given; None for nobody else.
    """

    def __init__(self, root: Path, hook: Hook | None, user: int | None) -> None:
        self._hook = hook
        self._user = user
        self._own = Path(tempfile.mkdtemp(prefix="call-", dir=root))
        self._own.chmod(0o711)
        self.temporary = self._folder("tmp")
        self.shared_memory = self._folder("shm")
        #: What stands in the place of what while the build runs: ``(copy, place)``.
        self.mounts: tuple[tuple[Path, Path], ...] = ()
        if hook is not None:
            self._prepare(hook, root)

    @property
    def folders(self) -> tuple[Path, ...]:
        """All that counts as the build's."""
        return (self._own, *(copy for copy, _ in self.mounts[:1]))

    def deliver(self) -> None:
        """Copy the results to where uv waits for them. No process of the build may be left.

        :raises Unusable: in words.
        """
        if self._hook is None:
            return
        hook, answer = self._hook, _read(self._own / "answer", _MAX_ANSWER_BYTES)
        if hook.name == REQUIRES_HOOK:
            _check_requirements(_list_of(answer))
        elif hook.folder is not None:
            _deliver_named(answer, self._own / "results", hook.folder, metadata=hook.name == METADATA_HOOK)
        hook.answer.write_bytes(answer)

    def remove(self) -> None:
        """Remove it all but the source tree."""
        shutil.rmtree(self._own, ignore_errors=True)

    def _prepare(self, hook: Hook, root: Path) -> None:
        _check_requirements(_declared(hook.source))
        # The places must be there to be mounted over; who may not write to them may look.
        hook.environment.chmod(0o755)
        hook.answer.touch()
        answer = self._own / "answer"
        answer.touch()
        self._give(answer)
        self.mounts = ((self._source(hook.source, root), hook.source), (answer, hook.answer))
        if hook.folder is not None:
            hook.folder.mkdir(exist_ok=True)
            self.mounts += ((self._folder("results"), hook.folder),)

    def _source(self, source: Path, root: Path) -> Path:
        """The build's own source tree, which stays from hook to hook."""
        copy = root / f"source-{hashlib.sha256(os.fsencode(source)).hexdigest()[:16]}"
        if not copy.is_dir():
            partial = Path(tempfile.mkdtemp(prefix="copy-", dir=root))
            shutil.copytree(source, partial, symlinks=True, dirs_exist_ok=True)
            for path in (partial, *_below(partial)):
                self._give(path)
            partial.rename(copy)
        return copy

    def _folder(self, name: str) -> Path:
        folder = self._own / name
        folder.mkdir(mode=0o700)
        self._give(folder)
        return folder

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user, self._user, follow_symlinks=False)


def used_bytes(folders: tuple[Path, ...]) -> int:
    """The disk space below some folders, while others may change what is there."""
    total = 0
    for folder in folders:
        for directory, _, files in os.walk(folder):
            for name in files:
                try:
                    total += os.lstat(os.path.join(directory, name)).st_blocks * 512  # noqa: PTH118  (often)
                except OSError:
                    continue
    return total


def _deliver_named(answer: bytes, results: Path, place: Path, *, metadata: bool) -> None:
    """Copy the one file or folder that a hook said it made."""
    name = answer.decode("utf-8", "replace")
    if metadata and not name:  # the backend has no such hook
        return
    if not name or name in (".", "..") or "/" in name or "\0" in name or not os.path.lexists(results / name):
        raise Unusable(f"it says that it made {name[:200]!r}, which is not there")
    if metadata:
        _copy_folder(results / name, place / name)
    else:
        _copy_file(results / name, place / name)


def _copy_folder(source: Path, target: Path) -> None:
    entries = [source, *_below(source)]
    if len(entries) > _MAX_METADATA_ENTRIES:
        raise Unusable(f"its metadata has more than {_MAX_METADATA_ENTRIES} files")
    room = _MAX_METADATA_BYTES
    for path in entries:
        kind, copy = path.lstat().st_mode, target / path.relative_to(source)
        if stat.S_ISDIR(kind):
            copy.mkdir()
        elif stat.S_ISREG(kind):
            content = _read(path, room)
            room -= len(content)
            copy.write_bytes(content)
        else:
            raise Unusable(f"it left {path.name[:200]!r}, {_NEITHER}")


def _copy_file(source: Path, target: Path) -> None:
    with os.fdopen(_open(source), "rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer)


def _read(path: Path, most: int) -> bytes:
    """The content of a plain file.

    :raises Unusable: where it is something else, or larger.
    """
    with os.fdopen(_open(path), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise Unusable(f"{path.name[:200]!r} is too large")
    return content


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unusable(f"it left {path.name[:200]!r}, which cannot be read: {error.strerror}") from None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise Unusable(f"it left {path.name[:200]!r}, {_NEITHER}")


def _list_of(answer: bytes) -> object:
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        raise Unusable("its list of requirements cannot be read") from None


def _declared(source: Path) -> object:
    """What the package says that it needs to be built (PEP 518)."""
    try:
        content = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        raise Unusable("its pyproject.toml cannot be read") from None
    table = content.get("build-system", {})
    return table.get("requires", []) if isinstance(table, dict) else None


def _check_requirements(wanted: object) -> None:
    """Refuse requirements by address: uv would fetch them, from wherever the build says, with the server's rights."""
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise Unusable("its list of requirements is none")
    for one in wanted:
        if "@" in one.partition(";")[0] or "/" in one.partition(";")[0]:
            raise Unusable(f"it requires {one[:200]!r} by its address, and builds take packages from the index only")


def _below(folder: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(directory, name)
