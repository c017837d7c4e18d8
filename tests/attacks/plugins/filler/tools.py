"""Fills the disk, up to an amount that a host survives, and leaves it so for a while before it answers."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from cadence_sdk import tool

MIB = 1024 * 1024
_PIECE = os.urandom(MIB)


def _fill(path: Path, mib: int) -> None:
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(_PIECE)


def _folder(place: str) -> Path:
    """A folder among the data or the temporary files."""
    folder = Path(tempfile.gettempdir() if place == "temporary" else ".", "fill")
    folder.mkdir(exist_ok=True)
    return folder


def _rest() -> None:
    """No faster than a slow disk: what watches has to look only so often."""
    time.sleep(0.02)


@tool
def one_file(mib: int, seconds: float) -> None:
    """With one file."""
    _fill(_folder("data") / "large", mib)
    time.sleep(seconds)


@tool
def several_files(place: str, mib: int, seconds: float) -> None:
    """With several."""
    folder = _folder(place)
    for index in range(mib // 4):
        _fill(folder / str(index), 4)
        _rest()
    time.sleep(seconds)


@tool
def tiny_files(count: int, seconds: float) -> None:
    """With many small ones."""
    folder = _folder("data")
    for index in range(count):
        (folder / str(index)).write_bytes(b"x")
        if index % 256 == 0:
            _rest()
    time.sleep(seconds)


@tool
def reserved(mib: int, seconds: float) -> None:
    """With space that is taken but not written to."""
    folder = _folder("data")
    for index in range(mib // 4):
        with (folder / str(index)).open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 4 * MIB)
        _rest()
    time.sleep(seconds)


@tool
def nameless(mib: int, seconds: float) -> None:
    """With files that have no name any more."""
    folder = _folder("data")
    held = []
    for index in range(mib // 4):
        path = folder / str(index)
        _fill(path, 4)
        held.append(path.open("rb"))
        path.unlink()
        _rest()
    time.sleep(seconds)
    for file in held:
        file.close()


@tool
def clean() -> None:
    """Remove all of it."""
    for folder in ("fill", f"{tempfile.gettempdir()}/fill"):
        shutil.rmtree(folder, ignore_errors=True)


TOOLS = [one_file, several_files, tiny_files, reserved, nameless, clean]
