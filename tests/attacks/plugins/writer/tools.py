"""Writes where it may not: each tool tries to bring bytes into a file, or change a file, that is not its own."""

import ctypes
import os
import shutil
from pathlib import Path

from cadence_sdk import tool

_libc = ctypes.CDLL(None, use_errno=True)


def _own(name: str, text: str = "") -> Path:
    """A file or name in the data directory."""
    path = Path(name)
    path.unlink(missing_ok=True)
    if text:
        path.write_text(text)
    return path


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@tool
def plainly(path: str, text: str) -> None:
    """Open it and write."""
    Path(path).write_text(text)


@tool
def appending(path: str, text: str) -> None:
    """Open it to append."""
    with open(path, "a") as file:
        file.write(text)


@tool
def by_symbolic_link(path: str, text: str) -> None:
    """Write through a link in the data directory."""
    link = _own("link")
    link.symlink_to(path)
    link.write_text(text)


@tool
def by_linked_folder(path: str, text: str) -> None:
    """Write through a link in the data directory that leads to the folder."""
    link = _own("folder")
    link.symlink_to(Path(path).parent)
    (link / Path(path).name).write_text(text)


@tool
def by_hard_link(path: str, text: str) -> None:
    """Write through a second name for the file."""
    link = _own("hard-link")
    link.hardlink_to(path)
    link.write_text(text)


@tool
def renaming_over(path: str, text: str) -> None:
    """Put a file of its own in its place."""
    os.rename(_own("mine", text), path)


@tool
def exchanging(path: str, text: str) -> None:
    """Exchange it with a file of its own (renameat2(2))."""
    _own("mine", text)
    at_working_folder, exchange = -100, 2
    _checked(_libc.renameat2(at_working_folder, b"mine", at_working_folder, path.encode(), exchange))


@tool
def linking_there(path: str, text: str) -> None:
    """Give a file of its own a second name there."""
    os.unlink(path)
    os.link(_own("mine", text), path)


@tool
def by_read_descriptor(path: str, text: str) -> None:
    """Open it for reading, then anew for writing through the name of the descriptor."""
    descriptor = os.open(path, os.O_RDONLY)
    Path(f"/proc/self/fd/{descriptor}").write_text(text)


@tool
def by_path_descriptor(path: str, text: str) -> None:
    """The same, from a descriptor that needs no permission to get."""
    descriptor = os.open(path, os.O_PATH)
    Path(f"/proc/self/fd/{descriptor}").write_text(text)


@tool
def by_folder_descriptor(path: str, text: str) -> None:
    """Open it from a descriptor of its folder."""
    folder = os.open(Path(path).parent, os.O_PATH)
    descriptor = os.open(Path(path).name, os.O_WRONLY | os.O_TRUNC, dir_fd=folder)
    os.write(descriptor, text.encode())


@tool
def by_root(path: str, text: str) -> None:
    """By way of the root directory of this process."""
    Path(f"/proc/self/root{path}").write_text(text)


@tool
def by_working_folder(path: str, text: str) -> None:
    """By way of the working directory of this process, upwards."""
    Path("/proc/self/cwd", os.path.relpath(path, os.path.realpath("."))).write_text(text)


@tool
def by_thread(path: str, text: str) -> None:
    """By way of the root directory of this thread."""
    Path(f"/proc/thread-self/root{path}").write_text(text)


@tool
def copying(path: str, text: str) -> None:
    """Let the kernel copy it (copy_file_range(2), sendfile(2))."""
    shutil.copyfile(_own("mine", text), path)


@tool
def truncating(path: str) -> None:
    """Cut it."""
    os.truncate(path, 0)


@tool
def changing_mode(path: str) -> None:
    """Make it a file that anyone may do everything with."""
    os.chmod(path, 0o7777)


@tool
def changing_mode_by_descriptor(path: str) -> None:
    """The same by fchmod(2), from a descriptor that is open for reading."""
    os.fchmod(os.open(path, os.O_RDONLY), 0o7777)


@tool
def changing_times(path: str) -> None:
    """Make it as old as can be."""
    os.utime(path, (1, 1))


@tool
def changing_attribute(path: str, text: str) -> None:
    """Set an extended attribute."""
    os.setxattr(path, "user.attack", text.encode())


@tool
def removing(path: str) -> None:
    """Remove it."""
    os.unlink(path)


@tool
def moving_away(path: str) -> None:
    """Move it into the data directory."""
    os.rename(path, _own("taken"))


@tool
def making_folder(path: str) -> None:
    """Make a folder."""
    os.mkdir(path)


@tool
def making_link(path: str) -> None:
    """Make a symbolic link."""
    os.symlink("/", path)


@tool
def making_pipe(path: str) -> None:
    """Make a named pipe."""
    os.mkfifo(path)


TOOLS = [
    plainly,
    appending,
    by_symbolic_link,
    by_linked_folder,
    by_hard_link,
    renaming_over,
    exchanging,
    linking_there,
    by_read_descriptor,
    by_path_descriptor,
    by_folder_descriptor,
    by_root,
    by_working_folder,
    by_thread,
    copying,
    truncating,
    changing_mode,
    changing_mode_by_descriptor,
    changing_times,
    changing_attribute,
    removing,
    moving_away,
    making_folder,
    making_link,
    making_pipe,
]
