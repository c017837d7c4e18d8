"""Landlock in a real process: what is allowed works, all else is denied, whichever way it is tried."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cadence_sdk._runtime.lockdown import kernel, landlock
from tests.lockdown.child import result_of

pytestmark = pytest.mark.skipif(not Path("/sys").exists(), reason="needs Linux")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """One to read, one to write, one that is nobody's business, each with a file."""
    read, write, secret = (tmp_path / name for name in ("read", "write", "secret"))
    for folder in (read, write, secret):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    return read, write, secret


def confine(read: Path, write: Path, rights: int = landlock.READ | landlock.WRITE) -> None:
    rules = landlock.Ruleset(landlock.version())
    rules.allow(landlock.READ, [str(read), "/usr/lib", "/lib", "/nowhere/at/all"])
    rules.allow(rights, [str(write)])
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    rules.enforce()


def denied(act: Callable[[], object]) -> bool:
    try:
        act()
    except OSError as error:
        return isinstance(error, PermissionError) or error.errno == 18  # EXDEV: a link or rename that would leave
    return False


def test_what_is_allowed_works(folders: tuple[Path, Path, Path]) -> None:
    read, write, _ = folders

    def act() -> str:
        confine(read, write)
        (write / "new").write_text("x")
        (write / "new").rename(write / "other")
        (write / "folder").mkdir()
        (write / "folder" / "link").symlink_to(write / "other")
        os.truncate(write / "file", 1)
        (write / "other").unlink()
        return (read / "file").read_text() + (write / "file").read_text()

    assert result_of(act) == "readw"


def link_and_read(link: Path, target: Path) -> str:
    link.symlink_to(target)
    return link.read_text()


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


ATTEMPTS: dict[str, Callable[[Path, Path, Path], object]] = {
    "read": lambda read, write, secret: (secret / "file").read_text(),
    "list": lambda read, write, secret: list(secret.iterdir()),
    "write to what can be read": lambda read, write, secret: (read / "file").write_text("x"),
    "cut short what can be read": lambda read, write, secret: os.truncate(read / "file", 0),
    "make a file": lambda read, write, secret: (secret / "new").touch(),
    "remove": lambda read, write, secret: (secret / "file").unlink(),
    "read through a link": lambda read, write, secret: link_and_read(write / "link", secret / "file"),
    "move in": lambda read, write, secret: (secret / "file").rename(write / "mine"),
    "move out": lambda read, write, secret: (write / "file").rename(secret / "theirs"),
    "link in": lambda read, write, secret: os.link(secret / "file", write / "mine"),
    "read by the way of /proc": lambda read, write, secret: Path(f"/proc/self/root{secret}/file").read_text(),
    "run": lambda read, write, secret: os.execv("/bin/true", ["true"]),
    "make a socket": lambda read, write, secret: bind(write / "socket"),
}


@pytest.mark.parametrize("what", ATTEMPTS)
def test_everything_else_is_denied(what: str, folders: tuple[Path, Path, Path]) -> None:
    def act() -> bool:
        confine(folders[0], folders[1])
        return denied(lambda: ATTEMPTS[what](*folders))

    assert result_of(act)
    assert not denied(lambda: what == "run" or ATTEMPTS[what](*folders)), "it fails unconfined too and proves nothing"


def test_a_full_folder_can_be_read_and_emptied_but_not_filled(folders: tuple[Path, Path, Path]) -> None:
    read, write, _ = folders

    def act() -> tuple[bool, bool, str]:
        confine(read, write, landlock.READ | landlock.DELETE)
        fills = denied((write / "new").touch), denied(lambda: (write / "file").write_text("more"))
        kept = (write / "file").read_text()
        (write / "file").unlink()
        return (*fills, kept)

    assert result_of(act) == (True, True, "write")


@pytest.mark.skipif(landlock.version() < 6, reason="this kernel's Landlock does not know of it")
def test_neither_abstract_sockets_nor_signals_get_out(folders: tuple[Path, Path, Path]) -> None:
    parent = os.getpid()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0cadence-test-" + folders[0].parent.name)
        listening.listen()

        def act() -> tuple[bool, bool]:
            confine(folders[0], folders[1])
            caller = socket.socket(socket.AF_UNIX)
            return denied(lambda: caller.connect(listening.getsockname())), denied(lambda: os.kill(parent, 0))

        assert result_of(act) == (True, True)
