"""How long it takes until there is something: the server's first page, a command's output, the SDK's report types."""

import os
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from benchmarks.figure import Figure, compared
from benchmarks.sampling import Effort, Sampler, interleave, milliseconds
from benchmarks.server import FLASK, cadence
from benchmarks.workbench import ROOT, workbench

_SECONDS = 60.0
#: The module is lazy; the name in it is what has to be imported.
_LANGCHAIN = "from langchain_core.tools import StructuredTool"


def measure(effort: Effort) -> list[Figure]:
    """Each in a fresh process, as it is started here (with or without bytecode, as the environment says)."""
    with workbench() as folder:
        environ = {**os.environ, "CADENCE_INSTANCE": str(folder / "listed")}
        samples = interleave(
            {
                "server": _server(folder),
                "list": _command([FLASK, "--app", "app", "plugins", "list"], environ),
                "report": _command([sys.executable, "-c", "import cadence_sdk._runtime.report"], environ),
                "langchain": _command([sys.executable, "-c", _LANGCHAIN], environ),
                "python": _command([sys.executable, "-c", "pass"], environ),
            },
            seconds=effort.seconds(12),
            at_least=effort.pick(3, 1),
            warm_up=effort.pick(1, 0),
        )
    bytecode = "off" if sys.dont_write_bytecode else "on"
    note = f"Writing of bytecode is {bytecode} here (PYTHONDONTWRITEBYTECODE)."
    langchain = "a process that only imports LangChain's tools"
    return [
        compared(
            "start: server to its first page",
            "ms",
            samples["server"],
            samples["langchain"],
            against=langchain,
            note=note,
        ),
        compared("  flask plugins list", "ms", samples["list"], samples["langchain"], against=langchain),
        compared("  import of the SDK's report", "ms", samples["report"], samples["python"], against="Python alone"),
    ]


def _server(folder: Path) -> Sampler:
    numbers = count()

    def sample() -> list[float]:
        started = time.perf_counter()
        with cadence(folder / f"instance-{next(numbers)}", first_page="/plugins"):
            return [(time.perf_counter() - started) * 1000]

    return sample


def _command(command: list[str], environ: dict[str, str]) -> Sampler:
    def run() -> None:
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, timeout=_SECONDS)

    return lambda: [milliseconds(run)]
