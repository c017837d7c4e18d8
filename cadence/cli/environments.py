"""``flask plugins environments``: what the dependencies of plugins take on the disk, and who needs it."""

import click
from flask.cli import with_appcontext

from cadence.cli.command import command, parts, say_json
from cadence.housekeeping import tidy
from cadence.web.packages import EnvironmentView, environment_views

_KEY_CHARACTERS = 12
_SHOWN_PACKAGES = 3


@click.command("environments")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--collect", is_flag=True, help="Remove those that no version needs first.")
@with_appcontext
@command
def environments(as_json: bool, collect: bool) -> None:
    """List the environments of dependencies: size, packages, and which versions use them."""
    opened = parts()
    before = {usage.key: usage.size_bytes for usage in opened.environments.usage()} if collect else {}
    removed = tidy(opened.environments, opened.index) if collect else ()
    rows = environment_views(opened.environments.usage(), opened.index.versions())
    if as_json:
        say_json(rows)
        return
    if removed:
        freed = _size(sum(before.get(key, 0) for key in removed))
        click.echo(f"Removed {_number(len(removed), 'environment')} that no version needs: {freed}.")
    if not rows:
        click.echo("There is no environment: no installed plugin brings packages of its own.")
        return
    _say_table(rows)


def _say_table(rows: list[EnvironmentView]) -> None:
    table = [("ENVIRONMENT", "SIZE", "KIND", "USED BY", "PACKAGES")]
    table += [
        (row.key[:_KEY_CHARACTERS], _size(row.size_bytes), _kind(row), _users(row), _packages(row)) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for key, size, *others in table:
        cells = [f"{key:<{widths[0]}}", f"{size:>{widths[1]}}"]
        cells += [f"{cell:<{width}}" for cell, width in zip(others, widths[2:], strict=True)]
        click.echo("  ".join(cells).rstrip())
    total, unused = sum(row.size_bytes for row in rows), [row for row in rows if not row.used_by]
    click.echo(f"{_number(len(rows), 'environment')}, {_size(total)} in all.")
    if unused:
        room = _size(sum(row.size_bytes for row in unused))
        click.echo(
            f"{len(unused)} of them unused ({room}); flask plugins environments --collect removes what nobody runs."
        )


def _kind(row: EnvironmentView) -> str:
    return {None: "-", False: "shared", True: "isolated"}[row.isolated]


def _users(row: EnvironmentView) -> str:
    return ", ".join(row.used_by) or "unused"


def _packages(row: EnvironmentView) -> str:
    shown = ", ".join(row.packages[:_SHOWN_PACKAGES])
    more = len(row.packages) - _SHOWN_PACKAGES
    return f"{shown} and {more} more" if more > 0 else shown


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _size(size_bytes: int) -> str:
    """In MiB, to one place, or in KiB where that would be 0.0."""
    mib = size_bytes / 1024**2
    return f"{mib:.1f} MiB" if mib >= 0.1 else f"{size_bytes / 1024:.0f} KiB"
