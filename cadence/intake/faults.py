"""Faults as they are found in files: worded, collected and bounded."""

from collections.abc import Iterable

from cadence.model import Fault

MAX_SHOWN_CHARS = 160
# A hostile archive can have a fault in each of thousands of entries; nobody reads more than this.
MAX_FAULTS = 100


def printable(text: str) -> str:
    """Text from an upload, fit to be shown: what is not printable is escaped, what is too long is cut."""
    escaped = text if text.isprintable() else repr(text)[1:-1]
    return escaped if len(escaped) <= MAX_SHOWN_CHARS else f"{escaped[: MAX_SHOWN_CHARS - 1]}…"


def quoted(text: str) -> str:
    """Text from an upload as it stands in a sentence."""
    return f"'{printable(text)}'"


def bounded(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Leave out repetitions and, past :data:`MAX_FAULTS`, say how many more there are instead of showing them."""
    distinct = tuple(dict.fromkeys(faults))
    if len(distinct) <= MAX_FAULTS:
        return distinct
    more = len(distinct) - MAX_FAULTS
    return (*distinct[:MAX_FAULTS], Fault(distinct[0].stage, "more_faults", f"There are {more} more faults"))
