"""``python -m benchmarks [NAME …] [--quick] [--json FILE]``."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.figures import BENCHMARKS
from benchmarks.runner import run
from benchmarks.sampling import Effort
from benchmarks.table import render


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and give the exit code: 1 when something could not be measured; a missed goal is no error."""
    given = _read(arguments)
    chosen = {name: BENCHMARKS[name] for name in given.names or BENCHMARKS}
    report = run(chosen, Effort(quick=given.quick), lambda name: print(f"measuring {name} …", file=sys.stderr))
    print(render(report))
    if given.json is not None:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report.as_json()), indent=2) + b"\n")
    return 1 if report.errors else 0


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; what is wrong with them is said before anything is measured."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"no figure is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if given.json is not None and not given.json.absolute().parent.is_dir():
        parser.error(f"there is no folder {given.json.absolute().parent}")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the figures of Cadence's design."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="only show that it can be measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    return parser


if __name__ == "__main__":
    # As an exception, so that every server and folder of the run is cleared away first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
