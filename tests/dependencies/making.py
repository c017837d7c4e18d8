"""Environments that are made in this process and in others, also in ones that are killed in the middle of it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cadence.dependencies.command import IndexOptions, Output, Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.lock import Lock, Package

#: Of a package that no index has.
MISSING = Lock((Package("alpha", "1.0", ("sha256:" + "0" * 64,), "alpha>=1"),))

_PROCESS = """
import json, sys, time
from pathlib import Path
from cadence.dependencies import tree
from cadence.dependencies.command import IndexOptions, Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.lock import Lock, Package

given = json.loads(sys.stdin.readline())

def say(line):
    print(line, flush=True)
    if given["pause"] and line.startswith(given["pause"]):
        pause()

def pause(*_):
    print("PAUSED", flush=True)
    time.sleep(600)

if given["pause"].startswith("tree."):
    setattr(tree, given["pause"].removeprefix("tree."), pause)
lock = Lock(tuple(Package(**one) for one in given["packages"]))
places = tuple(map(Path, given["find_links"]))
options = IndexOptions(given["index"], places, given["no_index"], cache=Path(given["cache"]))
environments = Environments(Path(given["directory"]))
lease = environments.ensure(lock, Uv(idle_seconds=60, on_line=say, options=options))
"""
_COLLECTS = """
lease.close()
environments.collect(set)
"""
_KEEPS = """
pause()
"""


class NoUv(Uv):
    """Must not be run."""

    def run(self, *arguments: str, stdin: str, packages: int = 0) -> Output:
        raise AssertionError(arguments)


class QuickUv(Uv):
    """Puts one file in place of all packages."""

    def run(self, *arguments: str, stdin: str, packages: int = 0) -> Output:
        target = next(Path(one.removeprefix("--target=")) for one in arguments if one.startswith("--target="))
        target.mkdir()
        (target / "lock.txt").write_text(stdin)
        return Output(0, "", "")


def made(environments: Environments, lock: Lock, uv: Uv) -> Path:
    """The folder of the environment of a lock, which nobody keeps."""
    lease = environments.ensure(lock, uv)
    assert lease is not None
    lease.close()
    return lease.path


def quick_lock(name: str = "alpha") -> Lock:
    return Lock((Package(name, "1.0", ("sha256:" + "0" * 64,), name),))


def left_in(directory: Path) -> list[str]:
    """What lies in the folder of the environments."""
    return sorted(entry.name for entry in directory.glob("*") if entry.name != ".locks")


def locks_in(directory: Path) -> list[str]:
    """The keys that have a file to lock."""
    return sorted(entry.name for entry in directory.glob(".locks/*"))


def contents(path: Path) -> Mapping[str, bytes | None]:
    """The files below a folder with their bytes, but of compiled ones only that they are there."""
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): None if file.suffix == ".pyc" else file.read_bytes() for file in files}


def start_install(
    directory: Path, lock: Lock, options: IndexOptions, *, pause: str = "", then: str = ""
) -> subprocess.Popen[str]:
    """A process of its own that ensures the environment of a lock, and prints what uv says.

    :param pause: stop for ever at the first line that begins so, or in place of a function, such as ``tree.sync``.
    :param then: what it does afterwards: ``collect`` or ``keep``.
    """
    program = _PROCESS + {"": "", "collect": _COLLECTS, "keep": _KEEPS}[then]
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    packages = [{name: getattr(one, name) for name in one.__struct_fields__} for one in lock.packages]
    given = {"directory": str(directory), "packages": packages, "index": options.index, "no_index": options.no_index}
    places = {"find_links": [str(one) for one in options.find_links], "cache": str(options.cache), "pause": pause}
    process.stdin.write(json.dumps(given | places) + "\n")
    process.stdin.close()
    process.stdin = None  # so that communicate() does not close it again
    return process


def await_pause(process: subprocess.Popen[str]) -> None:
    """Wait until a process that was started has come to where it stops."""
    assert process.stdout is not None
    for line in process.stdout:
        if line == "PAUSED\n":
            return
    raise AssertionError("it ended")


def kill(process: subprocess.Popen[str]) -> None:
    """End a process without a word, and everything it could have said."""
    process.kill()
    process.communicate()
