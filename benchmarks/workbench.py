"""What benchmarks work on: temporary folders, the math plugin and variants of it, a runtime without a server."""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

from cadence.config import SandboxMode, Settings
from cadence.intake.limits import ArchiveLimits
from cadence.intake.packing import pack
from cadence.model import PluginRef
from cadence.parts import Parts, Running
from cadence.runtime.launcher import Launch

ROOT = Path(__file__).parent.parent
#: What the examples call themselves, with the version that is measured.
MATH = PluginRef("math_plugin", "1.0.0")
#: The call that is measured, and its result.
TOOL, ARGUMENTS, RESULT = "add", {"a": 2, "b": 3}, 5
#: A fresh interpreter that gets a plugin's folder, answers the call once, and lives until its input ends.
FRESH = f"""
import sys
from pathlib import Path
from cadence_sdk._runtime.loader import load
plugin = load(Path(sys.argv[1]), {MATH.name!r})
print(plugin.tools[{TOOL!r}].call({ARGUMENTS!r}), flush=True)
sys.stdin.read()
"""


@contextmanager
def workbench() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cadence-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def running(folder: Path, sandbox: SandboxMode = SandboxMode.PREFER, **settings: Any) -> Iterator[Running]:
    """The runtime of a process without a web server, warm; everything it started has ended afterwards.

    Workers are confined, as they are by default, unless ``sandbox`` says otherwise.
    """
    parts = Parts(Settings(instance=folder / "instance", sandbox=sandbox, **settings))
    try:
        started = parts.start()
        started.zygote.start()
        yield started
    finally:
        parts.close()


def math_plugin(folder: Path) -> Path:
    """A copy of the math plugin as an archive would unpack it: without caches."""
    target = folder / MATH.slug
    copytree(ROOT / "examples" / MATH.slug, target, ignore=ignore_patterns("__pycache__"))
    return target


def math_launch(folder: Path) -> Launch:
    """How a worker of the math plugin is started."""
    return Launch(MATH, math_plugin(folder))


def math_variant(folder: Path, name: str, dependency: str) -> Path:
    """The archive of the math plugin under another name, with a requirement whose package its tools import."""
    module = re.split(r"[^\w.]", dependency)[0]
    source = math_plugin(folder)
    target = source.rename(folder / f"{name}-{MATH.version}")
    for file in target.glob("*.*"):
        file.write_text(file.read_text().replace(MATH.name, name))
    _replace(target / "plugin.py", "dependencies=[", f'dependencies=["{dependency}", ')
    _replace(target / "tools.py", "from cadence_sdk import ", f"import {module}\nfrom cadence_sdk import ")
    return packed(target, folder)


def packed(plugin: Path, into: Path) -> Path:
    """The archive of a plugin's folder."""
    return pack(plugin, into, ArchiveLimits.from_settings(Settings()))


def fresh_command(plugin: Path) -> list[str]:
    """The command line of a fresh interpreter that loads a plugin, without Cadence's runtime around it."""
    return [sys.executable, "-c", FRESH, str(plugin)]


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    if old not in text:
        raise ValueError(f"{file} has no {old!r} any more")
    file.write_text(text.replace(old, new, 1))
