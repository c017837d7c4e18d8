"""``flask plugins logs``: what a plugin wrote, and writes."""

import time
from collections.abc import Iterator

import click
import msgspec
from flask.cli import with_appcontext

from cadence.cli.command import command, parts
from cadence.cli.versions import one_line
from cadence.runtime.log_lines import Level, LogFilter, LogLine, LogPage
from cadence.web.logs import require_log

_DEFAULT_LINES = 100
_MOST_LINES = 10_000
#: How many lines are read at once while they are followed.
_PAGE_LINES = 1000
_LOOK_SECONDS = 0.25

_COLOURS = {
    Level.DEBUG: "bright_black",
    Level.INFO: "green",
    Level.WARNING: "yellow",
    Level.ERROR: "red",
    Level.CRITICAL: "magenta",
}


@click.command("logs")
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(0, _MOST_LINES),
    default=_DEFAULT_LINES,
    show_default=True,
    help="How many of the last lines to print.",
)
@click.option("--version", help="Lines of this version only.")
@click.option(
    "--level", type=click.Choice(list(Level), case_sensitive=False), help="Lines of this level and above only."
)
@click.option("--json", "as_json", is_flag=True, help="Print each line as a JSON object in a line of its own.")
@with_appcontext
@command
def logs(name: str, follow: bool, count: int, version: str | None, level: str | None, as_json: bool) -> None:
    """Print what a plugin wrote: time (UTC), version, stream, level and text of each line.

    It is read from the disk, so this works with and without a running server.
    """
    require_log(parts(), name)
    wanted = LogFilter(version, Level(level) if level else None)
    try:
        for page in _pages(name, count, wanted, follow=follow):
            if page.gap:
                click.echo(f"({page.gap} bytes of log went before they were read: no more is kept)", err=True)
            for line in page.lines:
                click.echo(_in_json(line) if as_json else _in_words(line))
    except KeyboardInterrupt:
        if not follow:
            raise
        click.echo(err=True)  # behind the ^C of the terminal


def _pages(name: str, count: int, wanted: LogFilter, *, follow: bool) -> Iterator[LogPage]:
    files = parts().log_files
    page = files.read(name, None, count, wanted)
    yield page
    while follow:
        if not page.more:
            time.sleep(_LOOK_SECONDS)
        page = files.read(name, page.cursor, _PAGE_LINES, wanted)
        yield page


def _in_json(line: LogLine) -> str:
    return msgspec.json.encode(line).decode()


def _in_words(line: LogLine) -> str:
    """A line for a terminal; click leaves the colours out where there is none."""
    at = click.style(f"{line.at[:10]} {line.at[11:23]}Z", dim=True)
    level = click.style(f"{line.level:<8}", fg=_COLOURS[line.level])
    return f"{at}  {line.version}  {line.stream:<7}  {level}  {one_line(line.text.expandtabs())}"
