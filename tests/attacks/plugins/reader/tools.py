"""Reads what is not its own."""

import ctypes
import importlib.util
import os
import select
from pathlib import Path

from cadence_sdk import tool

LENGTH = 65536


@tool
def read(path: str) -> str:
    """The first bytes of a file."""
    with open(path, "rb") as file:
        return file.read(LENGTH).decode("latin-1")


@tool
def read_by_descriptor(path: str) -> str:
    """The same, by way of a descriptor that may not be read, opened anew under another name."""
    descriptor = os.open(path, os.O_PATH)
    with open(f"/proc/self/fd/{descriptor}", "rb") as file:
        return file.read(LENGTH).decode("latin-1")


@tool
def read_by_link(path: str) -> str:
    """The same, by way of a symbolic link in the data directory."""
    link = Path("link-to-read")
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    return link.read_bytes()[:LENGTH].decode("latin-1")


@tool
def read_by_root(path: str) -> str:
    """The same, by way of the root directory of this process."""
    return Path(f"/proc/self/root{path}").read_bytes()[:LENGTH].decode("latin-1")


@tool
def read_by_anothers_root(pid: int, path: str) -> str:
    """The same, by way of the root directory of another process."""
    return Path(f"/proc/{pid}/root{path}").read_bytes()[:LENGTH].decode("latin-1")


@tool
def read_by_hard_link(path: str) -> str:
    """The same, by way of a hard link in the data directory."""
    link = Path("hard-link-to-read")
    link.unlink(missing_ok=True)
    link.hardlink_to(path)
    return link.read_bytes()[:LENGTH].decode("latin-1")


@tool
def read_moved(path: str) -> str:
    """The same, after it has been moved into the data directory."""
    os.rename(path, "moved")
    return Path("moved").read_bytes()[:LENGTH].decode("latin-1")


@tool
def listing(path: str) -> list[str]:
    """The names in a folder."""
    return sorted(os.listdir(path))


@tool
def import_server() -> str:
    """The source of the server's own package, by importing it."""
    spec = importlib.util.find_spec("cadence")
    if spec is None or spec.origin is None:
        raise ImportError("there is no such package")
    import cadence.config

    return Path(str(cadence.config.__file__)).read_text()[:LENGTH]


@tool
def read_memory(pid: int, address: int, length: int) -> str:
    """The memory of a process, through its file in /proc."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(length).decode("latin-1")


@tool
def see(path: str, text: str) -> None:
    """Look for something in a table of the kernel's."""
    if text not in Path(path).read_text():
        raise LookupError(f"{path} does not show it")


@tool
def watch(folder: str) -> str:
    """Be told of the next name that somebody makes in a folder (inotify(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    made = 0x100
    if libc.inotify_add_watch(descriptor, folder.encode(), made) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    Path("watching").touch()
    ready, _, _ = select.select([descriptor], [], [], 5)
    if not ready:
        raise TimeoutError("nobody made a file")
    return os.read(descriptor, 4096)[16:].rstrip(b"\0").decode()


TOOLS = [
    see,
    watch,
    read,
    read_by_descriptor,
    read_by_link,
    read_by_root,
    read_by_anothers_root,
    read_by_hard_link,
    read_moved,
    listing,
    import_server,
    read_memory,
]
