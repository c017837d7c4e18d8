"""Wheels made on the spot, and indexes that do not behave."""

import base64
import hashlib
import socket
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from cadence.dependencies.command import IndexOptions


class Shelf:
    """A folder of wheels that stands for a package index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "wheels"
        self.folder.mkdir()
        self.options = IndexOptions(find_links=(self.folder,), no_index=True, cache=folder / "cache")

    def wheel(
        self,
        name: str,
        version: str = "1.0",
        files: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
        tag: str = "py3-none-any",
        python: str = ">=3",
    ) -> Path:
        """A wheel as the binary distribution format has it, with one package of its name unless ``files`` says more."""
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
        content = {
            f"{name}/__init__.py": f"version = {version!r}\n",
            **(files or {}),
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            f"Requires-Python: {python}\nProvides-Extra: more\n{needs}",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        content[f"{info}/RECORD"] = "".join(f"{path},{_hash(text)},{len(text)}\n" for path, text in content.items())
        path = self.folder / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for entry, text in content.items():
                archive.writestr(entry, text)
        return path

    def source(self, name: str, version: str = "1.0") -> None:
        """A source distribution, whose setup.py would leave a file behind if anyone ran it."""
        setup = self.folder.parent / "setup.py"
        setup.write_text(f"open({str(self.folder.parent / 'ran')!r}, 'w')\n")
        with tarfile.open(self.folder / f"{name}-{version}.tar.gz", "w:gz") as archive:
            archive.add(setup, f"{name}-{version}/setup.py")


def damage(wheel: Path) -> None:
    """Change a byte of the first file's content, so that its checksum is wrong."""
    data = bytearray(wheel.read_bytes())
    data[data.index(b"version = ")] ^= 1
    wheel.write_bytes(data)


class SilentIndex:
    """An index on loopback that takes connections and says nothing."""

    def __init__(self, cache: Path) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(60)
        self._taken: list[socket.socket] = []
        address = f"http://reader:secret@127.0.0.1:{self._listening.getsockname()[1]}/simple"
        self.options = IndexOptions(index=address, cache=cache)

    def await_reader(self) -> None:
        """Wait until someone asks it for something."""
        self._taken.append(self._listening.accept()[0])

    def close(self) -> None:
        for one in [*self._taken, self._listening]:
            one.close()


def await_true(condition: Callable[[], bool]) -> None:
    """Wait until something has come true; a minute is for ever."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_over(pid: int) -> bool:
    """Whether a process has ended, though no one may have asked for its outcome yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
