"""``flask plugins history``: what happened, and on whose word."""

import click
from flask.cli import with_appcontext

from cadence.cli.command import command, parts, say_json
from cadence.cli.versions import moment, one_line
from cadence.origin import OriginKind
from cadence.web.history_views import ORIGIN_LABELS, TOPICS, HistoryAsked, HistoryEntry, history_page

DEFAULT_ENTRIES = 50


@click.command("history")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice([topic.key for topic in TOPICS]), help="Only what is about this.")
@click.option("--version", help="Only what is about this version.")
@click.option("--origin", type=click.Choice([kind.value for kind in OriginKind]), help="Only what was done so.")
@click.option("--limit", type=click.IntRange(1, 1000), default=DEFAULT_ENTRIES, help="How many entries.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@command
def history(
    name: str | None, kind: str | None, version: str | None, origin: str | None, limit: int, as_json: bool
) -> None:
    """Show what happened to a plugin, the latest first; without NAME, to all of them.

    Which versions answered and why, installs, permissions, crashes, failed checks; and on whose word it was.
    """
    asked = HistoryAsked(kind, version, OriginKind(origin) if origin else None)
    entries = history_page(parts().index, name, asked, limit).entries
    if as_json:
        say_json(entries)
        return
    for entry in entries:
        plugin = "" if name else f"{entry.plugin_name or 'every plugin'}  "
        words = f": {one_line(entry.words)}" if entry.words else ""
        click.echo(f"{moment(entry.at)}  {plugin}{entry.version or '-'}  {entry.label}{words}{_who(entry)}")


def _who(entry: HistoryEntry) -> str:
    if entry.origin is None:
        return ""
    client = f" {entry.client}" if entry.client else ""
    return one_line(f"  ({ORIGIN_LABELS[entry.origin].lower()}{client})")
