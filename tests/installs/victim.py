"""A process that kills itself by ``SIGKILL`` at one point of an install, a deletion or a restoration.

Started as ``python -m tests.installs.victim INSTANCE POINT install|overwrite|delete|restore [ARCHIVE]``. Before it dies
it writes the numbers of the processes it has started to ``family`` beside the instance; without having met the point
it ends with exit code 0.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from cadence.config import Settings
from cadence.model import InstallOptions, PluginRef, Stage
from cadence.parts import Parts
from cadence.progress import Progress
from cadence.runtime.live_set import LiveSet
from cadence.storage.index import Index
from cadence.storage.store import Store

CLASSES: dict[str, type] = {"Index": Index, "Store": Store, "LiveSet": LiveSet}


def main(instance: Path, point: str, action: str, archive: str | None = None) -> None:
    def die() -> None:
        family = psutil.Process().children(recursive=True)
        (instance.parent / "family").write_text("\n".join(str(process.pid) for process in family))
        os.kill(os.getpid(), signal.SIGKILL)

    when, _, where = point.partition(" ")
    if "." in where:
        _die_at_call(when, where, die)
    else:
        _die_at_stage(when, Stage(where), die)
    parts = Parts(Settings(instance=instance))
    if action in ("delete", "restore"):
        getattr(parts.start().remover, action)(PluginRef("demo_plugin", "1.1.0"))
    else:
        assert archive is not None
        _install(parts, Path(archive), InstallOptions(force_overwrite=action == "overwrite"))
    parts.close()


def _install(parts: Parts, archive: Path, options: InstallOptions) -> None:
    with parts.serving.receive() as file:
        file.write(archive.read_bytes())
        upload = file.finish(archive.name)
    parts.serving.installer.install(upload, options)


def _die_at_call(when: str, where: str, die: Any) -> None:
    class_name, _, method = where.partition(".")
    original = getattr(CLASSES[class_name], method)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            die()
        result = original(*args, **kwargs)
        die()
        return result

    setattr(CLASSES[class_name], method, dying)


def _die_at_stage(when: str, fatal: Stage, die: Any) -> None:
    original = Progress.stage

    @contextmanager
    def dying(self: Progress, stage: Stage, **options: bool) -> Iterator[None]:
        with original(self, stage, **options):
            if (when, fatal) == ("begin", stage):
                die()
            yield
            if (when, fatal) == ("end", stage):
                die()

    Progress.stage = dying  # type: ignore[method-assign]  # that is what this process is for


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
