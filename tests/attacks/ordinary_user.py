"""Runs a command as an ordinary user, from root, though the interpreter may lie where only root may look.

``python ordinary_user.py UID FOLDER … -- COMMAND …``. The folders are what the command needs. Where an ancestor of
one keeps others out, an empty folder takes that ancestor's place, with nothing in it but the needed ones, at their
own paths: in a mount namespace of this process's own (mount_namespaces(7)), so that nobody else sees a change.
"""

import ctypes
import os
import stat
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000  # linux/sched.h
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000  # linux/mount.h

_libc = ctypes.CDLL(None, use_errno=True)


def main(uid: int, folders: list[Path], command: list[str]) -> None:
    """Become the user, with the folders in reach, and run the command in this process."""
    make_reachable(folders)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execvp(command[0], command)


def make_reachable(folders: list[Path]) -> None:
    """Let others reach the folders by their paths, in this process and those it starts."""
    blocked = {barrier for folder in folders if (barrier := _barrier(folder)) is not None}
    if not blocked:
        return
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    _mount("none", Path("/"), None, MS_REC | MS_PRIVATE)
    hidden = [folder for folder in folders if _barrier(folder) is not None]
    # Opened before they are hidden: a mount can be made from a descriptor of what no path leads to any more.
    descriptors = {folder: os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder in hidden}
    for barrier in blocked:
        _mount("none", barrier, "tmpfs", 0, "mode=755")
    for folder in sorted(hidden):  # one that contains another comes first, and brings it along
        if not folder.exists():
            folder.mkdir(parents=True)
            _mount(f"/proc/self/fd/{descriptors[folder]}", folder, None, MS_BIND | MS_REC)
    for descriptor in descriptors.values():
        os.close(descriptor)


def _barrier(folder: Path) -> Path | None:
    """The topmost ancestor that others may not pass through."""
    ancestors = reversed(folder.parents)
    return next((path for path in ancestors if not path.stat().st_mode & stat.S_IXOTH), None)


def _mount(source: str, target: Path, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [text.encode() if text is not None else None for text in (source, str(target), kind, data)]
    result = _libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])
    _check(result, f"mount on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    end = sys.argv.index("--")
    main(int(sys.argv[1]), [Path(argument) for argument in sys.argv[2:end]], sys.argv[end + 1 :])
