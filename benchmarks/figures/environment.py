"""A plugin that needs numpy, uploaded after another that needs the same: the packages are there already."""

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.client import Connection, request, upload_request
from benchmarks.figure import Figure, Goal, compared
from benchmarks.sampling import Effort, interleave, milliseconds
from benchmarks.server import cadence
from benchmarks.workbench import MATH, math_variant, workbench

_DEPENDENCY = "numpy"


def measure(effort: Effort) -> list[Figure]:
    """Rounds of a first and a second install over HTTP; before each round both plugins and the packages are removed."""
    with workbench() as folder, cadence(folder / "instance") as port, Connection(port) as connection:
        first, second = (_upload(connection, math_variant(folder, name, _DEPENDENCY)) for name in ("one", "another"))

        def first_after_none() -> list[float]:
            for name in ("one", "another"):
                connection.exchange(request("DELETE", f"/api/v1/plugins/uploaded/{name}/{MATH.version}"))
            shutil.rmtree(folder / "instance" / "environments", ignore_errors=True)
            return [milliseconds(first)]

        samples = interleave(
            {"first": first_after_none, "second": lambda: [milliseconds(second)]},
            seconds=effort.seconds(12),
            at_least=effort.pick(3, 1),
            warm_up=1,
        )
    return [
        compared(
            f"second install with the same {_DEPENDENCY}",
            "ms",
            samples["second"],
            samples["first"],
            against="the first, with a warm download cache",
            goal=Goal(200),
        )
    ]


def _upload(connection: Connection, archive: Path) -> Callable[[], None]:
    message = upload_request(archive.name, archive.read_bytes())

    def upload() -> None:
        answer = connection.exchange(message)
        if answer.status != 201:
            raise ValueError(f"the upload was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")

    return upload
