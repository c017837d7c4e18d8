"""Plugins that need numpy, over HTTP: the first that brings it and the next with the same, against installers alone."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import uv
from msgspec import json

from benchmarks.client import Connection, request, upload_request
from benchmarks.figure import Figure, Goal, compared
from benchmarks.sampling import Effort, Sampler, Samples, interleave, milliseconds
from benchmarks.server import cadence
from benchmarks.workbench import MATH, math_plugin, math_variant, packed, workbench

_DEPENDENCY = "numpy"
_INSTALLER_SECONDS = 300.0
#: Second installs in a row for each run of the installers, which take much longer.
_SECONDS_A_ROUND = 10
#: Between two uploads, for the replaced worker to be gone: that is work after the answer.
_REST_SECONDS = 0.05


def measure(effort: Effort) -> list[Figure]:
    """Rounds of a first install on a new server, some second ones, and the installers into a fresh folder each."""
    stages: dict[str, list[float]] = {}
    with workbench() as folder, cadence(folder / "instance") as port, Connection(port) as connection:
        one, another = (math_variant(folder, name, _DEPENDENCY) for name in ("one", "another"))
        _upload(connection, one)
        samples = interleave(
            {
                "second": _second(connection, another, effort.pick(_SECONDS_A_ROUND, 2), stages),
                "first": _first(folder, one),
                "pip, cold": _installer(folder, _pip(), "PIP_CACHE_DIR", cold=True),
                "pip, warm": _installer(folder, _pip(), "PIP_CACHE_DIR", cold=False),
                "uv, warm": _installer(folder, _uv(), "UV_CACHE_DIR", cold=False),
            },
            seconds=effort.seconds(40),
            at_least=effort.pick(3, 1),
            warm_up=effort.pick(1, 0),
        )
    return _figures(samples, stages)


def _figures(samples: Mapping[str, Samples], stages: Mapping[str, list[float]]) -> list[Figure]:
    second, first = samples["second"], samples["first"]
    cold, warm = "pip install --target, nothing cached", "pip install --target, all cached"
    name = f"second install with the same {_DEPENDENCY}"
    note = (
        f"Over HTTP, end to end, the trial included, after another plugin has brought the same packages."
        f" Its tools import {_DEPENDENCY}, so the trial does that too."
    )
    return [
        compared(name, "ms", second, samples["pip, cold"], against=cold, goal=Goal(200), tail=True, note=note),
        compared("  against a warm pip", "ms", second, samples["pip, warm"], against=warm),
        compared(
            "  against a warm uv", "ms", second, samples["uv, warm"], against="uv pip install --target, all cached"
        ),
        *(Figure(f"  of that {stage}", "ms", Samples.of(taken).median) for stage, taken in stages.items()),
        compared(
            f"first install with {_DEPENDENCY}",
            "ms",
            first,
            samples["pip, warm"],
            against=warm,
            note="On a new server: resolved anew, the download cached by uv.",
        ),
    ]


def _second(connection: Connection, archive: Path, times: int, stages: dict[str, list[float]]) -> Sampler:
    """Uploads a plugin that is not there, whose packages are; the times of the stages are added to ``stages``."""

    def sample() -> list[float]:
        return [_timed_upload(connection, archive, stages) for _ in range(times)]

    return sample


def _timed_upload(connection: Connection, archive: Path, stages: dict[str, list[float]]) -> float:
    name = archive.name.partition("-")[0]
    connection.exchange(request("DELETE", f"/api/v1/plugins/uploaded/{name}/{MATH.version}"))
    time.sleep(_REST_SECONDS)
    started = time.perf_counter()
    told = _upload(connection, archive)
    taken = (time.perf_counter() - started) * 1000
    for stage, ms in told.items():
        stages.setdefault(stage, []).append(ms)
    return taken


def _first(folder: Path, archive: Path) -> Sampler:
    """Uploads a plugin to a server that has seen one without dependencies, so that it is warm, and no other."""
    plain = packed(math_plugin(folder), folder)
    numbers = count()

    def sample() -> list[float]:
        instance = folder / f"first-{next(numbers)}"
        with cadence(instance) as port, Connection(port) as connection:
            _upload(connection, plain)
            taken = milliseconds(lambda: _upload(connection, archive))
        shutil.rmtree(instance)
        return [taken]

    return sample


def _upload(connection: Connection, archive: Path) -> dict[str, float]:
    """Upload a plugin and give the ms of each stage."""
    answer = connection.exchange(upload_request(archive.name, archive.read_bytes()))
    if answer.status != 201:
        raise ValueError(f"the upload was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
    return {stage["stage"]: float(stage["ms"]) for stage in json.decode(answer.body)["details"]["stages"]}


def _pip() -> list[str]:
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _uv() -> list[str]:
    return [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable]


def _installer(folder: Path, command: list[str], cache_variable: str, *, cold: bool) -> Sampler:
    """Installs into a fresh folder, with a cache that is empty each time or that the first time fills."""
    target, cache = folder / "target", folder / f"{cache_variable}-{'cold' if cold else 'warm'}"
    whole = [*command, "--target", str(target), _DEPENDENCY]

    def install() -> None:
        environ = {**os.environ, cache_variable: str(cache)}
        subprocess.run(whole, cwd=folder, env=environ, check=True, capture_output=True, timeout=_INSTALLER_SECONDS)

    def sample() -> list[float]:
        shutil.rmtree(target, ignore_errors=True)
        if cold:
            shutil.rmtree(cache, ignore_errors=True)
        elif not cache.exists():
            install()
            shutil.rmtree(target)
        return [milliseconds(install)]

    return sample
