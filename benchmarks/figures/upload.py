"""Upload to active over HTTP, with an empty instance and with 10, 100 and 1,000 other plugins that are active."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import json

from benchmarks.client import Connection, upload_request
from benchmarks.figure import Figure, Goal, compared
from benchmarks.sampling import Effort, Sampler, Samples, interleave, milliseconds
from benchmarks.seeding import seed
from benchmarks.server import cadence
from benchmarks.workbench import math_plugin, packed, workbench

_OTHERS = (10, 100, 1000)
#: Between two uploads, for the replaced worker to be gone: that is work after the answer.
_REST_SECONDS = 0.05


def measure(effort: Effort) -> list[Figure]:
    """The math plugin again and again with ``force_overwrite``, by turns on a server of its own and on a full one."""
    stages: dict[str, list[float]] = {}
    numbers = _OTHERS if not effort.quick else _OTHERS[:1]
    with workbench() as folder, ExitStack() as stack:
        plugin = math_plugin(folder)
        archive = packed(plugin, folder)
        message = upload_request(archive.name, archive.read_bytes())
        samplers = {0: stack.enter_context(_uploads(folder / "empty", message, stages))}
        for others in numbers:
            instance = folder / f"with-{others}"
            seed(instance, plugin, archive, others, active=True)
            samplers[others] = stack.enter_context(_uploads(instance, message, {}))
        samples = interleave(
            {str(others): sampler for others, sampler in samplers.items()},
            seconds=effort.seconds(20),
            at_least=effort.pick(10, 2),
            warm_up=2,
        )
    return _figures(samples, stages, numbers)


def _figures(samples: dict[str, Samples], stages: dict[str, list[float]], numbers: tuple[int, ...]) -> list[Figure]:
    alone = samples["0"]
    return [
        compared("upload to active over HTTP", "ms", alone, goal=Goal(25), tail=True),
        *(Figure(f"  of that {stage}", "ms", Samples.of(taken).median) for stage, taken in stages.items()),
        *(
            compared(
                f"upload with {others:,} other plugins active",
                "ms",
                samples[str(others)],
                alone,
                against="the same with none",
                goal=Goal(1.1, of="ratio"),
                tail=True,
            )
            for others in numbers
        ),
    ]


@contextmanager
def _uploads(instance: Path, message: bytes, stages: dict[str, list[float]]) -> Iterator[Sampler]:
    """A server, and a sampler of one upload to it; the times of the stages are added to ``stages``."""

    def upload() -> None:
        answer = connection.exchange(message)
        if answer.status not in (200, 201):
            raise ValueError(f"the upload was answered {answer.status}: {answer.body[:300].decode(errors='replace')}")
        answers.append(json.decode(answer.body))

    def sample() -> list[float]:
        time.sleep(_REST_SECONDS)
        taken = milliseconds(upload)
        _collect(answers.pop()["details"]["stages"], taken, stages)
        return [taken]

    answers: list[dict[str, dict[str, Sequence[dict[str, object]]]]] = []
    with cadence(instance) as port, Connection(port) as connection:
        yield sample


def _collect(told: Sequence[dict[str, object]], whole: float, stages: dict[str, list[float]]) -> None:
    """Add the ms of each stage of one upload, and what is left of the ``whole``."""
    ms = {str(stage["stage"]): float(str(stage["ms"])) for stage in told}
    for name, taken in {**ms, "HTTP and records": whole - sum(ms.values())}.items():
        stages.setdefault(name, []).append(taken)
