"""The lines of a plugin's files in which something is wrong, to be shown beside what is."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from msgspec import structs

from cadence.intake.faults import printable
from cadence.inventory import contents
from cadence.model import Fault

#: A file and a line in it, as faults name them.
_PLACE = re.compile(r"(?P<path>[^:\0]{1,240}):(?P<line>[1-9][0-9]{0,6})(?::[0-9]{1,6})?", re.ASCII)


def with_lines(faults: Iterable[Fault], folder: Path) -> tuple[Fault, ...]:
    """The same faults, each with the line it names, fit to be shown: without its indentation and cut where it is long.

    :param folder: where the files of the plugin lie; nothing in it is followed to elsewhere.
    """

    @cache
    def lines(path: str) -> list[str]:
        found = contents(folder, path)
        return [] if found is None else found.start.decode("utf-8", errors="replace").splitlines()

    def quoted(fault: Fault) -> Fault:
        place = _PLACE.fullmatch(fault.culprit or "")
        if place is None:
            return structs.replace(fault, line=None)
        number, there = int(place["line"]), lines(place["path"])
        line = there[number - 1].strip() if number <= len(there) else ""
        return structs.replace(fault, line=printable(line) if line else None)

    return tuple(map(quoted, faults))
