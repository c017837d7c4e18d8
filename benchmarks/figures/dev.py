"""``flask plugins dev``: from a save to the plugin as it was saved, loaded, against starting it anew by hand."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from benchmarks.figure import Figure, Goal, compared
from benchmarks.sampling import Effort, Sampler, interleave, milliseconds
from benchmarks.workbench import ARGUMENTS, RESULT, TOOL, fresh_command, math_plugin, workbench
from cadence.config import Settings
from cadence.development import Development, Happening, Loaded, developing
from cadence.model import Granted

_PATIENCE_SECONDS = 30.0
_SAVES = 5


def measure(effort: Effort) -> list[Figure]:
    """Save a file as editors do, and wait until the plugin was loaded with it."""
    with workbench() as folder:
        plugin = math_plugin(folder)
        settings = Settings(instance=folder / "instance")
        with developing(settings, plugin, lambda _: Granted()) as development, _happenings(development) as told:
            _loaded(told)
            samples = interleave(
                {"cadence": _saves(plugin, development, told, effort.pick(_SAVES, 1)), "fresh": _fresh(plugin)},
                seconds=effort.seconds(8),
                at_least=effort.pick(5, 1),
            )
    return [
        compared(
            "dev: a save to the loaded plugin",
            "ms",
            samples["cadence"],
            samples["fresh"],
            against="a fresh interpreter: import the SDK, load, call, end",
            goal=Goal(500),
            tail=True,
            note="With the 20 ms for which a save must be quiet, and every check of an upload.",
        )
    ]


@contextmanager
def _happenings(development: Development) -> Iterator["Queue[Happening]"]:
    told: Queue[Happening] = Queue()

    def watch() -> None:
        for happening in development.happenings():
            told.put(happening)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield told
    finally:
        development.stop()
        thread.join()


def _loaded(told: "Queue[Happening]") -> None:
    happening = told.get(timeout=_PATIENCE_SECONDS)
    if not isinstance(happening, Loaded):
        raise ValueError(f"the plugin was not loaded: {happening}")


def _saves(plugin: Path, development: Development, told: "Queue[Happening]", count: int) -> Sampler:
    file = plugin / "tools.py"
    text = file.read_text()

    def save() -> None:
        draft = file.with_name("tools.py~")
        draft.write_text(text)
        draft.replace(file)
        _loaded(told)

    def sample() -> list[float]:
        taken = [milliseconds(save) for _ in range(count)]
        if development.call(TOOL, ARGUMENTS).result != RESULT:
            raise ValueError("the plugin answered something else")
        return taken

    return sample


def _fresh(plugin: Path) -> Sampler:
    def start() -> None:
        done = subprocess.run(fresh_command(plugin), input="", capture_output=True, text=True, check=True)
        if float(done.stdout) != RESULT:
            raise ValueError("the fresh interpreter answered something else")

    return lambda: [milliseconds(start)]
