"""What a change of grants came to, in words for the history: names and amounts, never a value of the environment."""

from collections.abc import Iterator

from cadence.model import Grants, Limits


def change_words(before: Grants, after: Grants) -> str:
    """What one has that the other has not, in a line; empty where they permit the same."""
    return "; ".join((*_network(before, after), *_amounts(before, after), *_environment(before, after)))


def _network(before: Grants, after: Grants) -> Iterator[str]:
    opened = [str(one) for one in after.network if one not in before.network]
    closed = [str(one) for one in before.network if one not in after.network]
    if opened:
        yield f"network opened to {', '.join(opened)}"
    if closed:
        yield f"network closed to {', '.join(closed)}"


def _amounts(before: Grants, after: Grants) -> Iterator[str]:
    for name in Limits.__struct_fields__:
        was, is_now = getattr(before, name), getattr(after, name)
        if was != is_now:
            yield f"{name} {_amount(is_now)} instead of {_amount(was)}"


def _amount(value: float | None) -> str:
    return "the default" if value is None else f"{value:g}"


def _environment(before: Grants, after: Grants) -> Iterator[str]:
    changes = {
        "set": sorted(after.env.keys() - before.env.keys()),
        "changed": sorted(name for name in after.env.keys() & before.env.keys() if after.env[name] != before.env[name]),
        "removed": sorted(before.env.keys() - after.env.keys()),
    }
    for what, names in changes.items():
        if names:
            yield f"environment: {', '.join(names)} {what}"
