"""One module a figure. Each has ``measure(effort)``, which gives the rows of the table."""

from benchmarks.figures import (
    call,
    chat,
    cold,
    dependencies,
    dev,
    http,
    isolated,
    lockdown,
    many,
    memory,
    pages,
    reload,
    start,
    upload,
)
from benchmarks.runner import Benchmark

__all__ = ["BENCHMARKS"]

#: What can be measured, by the name that the command line takes, in the order of the table.
BENCHMARKS: dict[str, Benchmark] = {
    "call": call.measure,
    "cold": cold.measure,
    "memory": memory.measure,
    "lockdown": lockdown.measure,
    "upload": upload.measure,
    "http": http.measure,
    "reload": reload.measure,
    "start": start.measure,
    "many": many.measure,
    "pages": pages.measure,
    "dependencies": dependencies.measure,
    "isolated": isolated.measure,
    "dev": dev.measure,
    "chat": chat.measure,
}
