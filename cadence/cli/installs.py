"""``flask plugins installs`` and ``cancel``: what is or was installed and checked, by any process of the instance."""

import click
from flask.cli import with_appcontext

from cadence import runs
from cadence.cli.command import command, parts, say_json
from cadence.model import InstallRecord, InstallState

_LATEST = 20


@click.command("installs")
@click.option("--limit", default=_LATEST, show_default=True, type=click.IntRange(1, 1000), help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@command
def installs(limit: int, as_json: bool) -> None:
    """List the latest installs and checks, those that run included, the newest first."""
    records = runs.latest(parts().index, limit)
    if as_json:
        say_json(records)
    elif not records:
        click.echo("Nothing was installed yet.")
    else:
        width = max(len(record.state) for record in records)
        for record in records:
            stage = f" ({record.stages[-1].stage})" if record.state is InstallState.RUNNING and record.stages else ""
            click.echo(f"{record.id}  {record.state:<{width}}  {record.kind:<7}  {record.filename}{stage}")


@click.command("cancel")
@click.argument("install_id", metavar="ID")
@with_appcontext
@command
def cancel(install_id: str) -> None:
    """Cancel an install or a check that runs in a server or another command; nothing of it is left.

    flask plugins installs shows the IDs.
    """
    _say_cancelled(runs.cancel(parts().index, install_id))


def _say_cancelled(record: InstallRecord) -> None:
    if record.state is InstallState.RUNNING:
        click.echo(f"The {record.kind} of {record.filename} is being cancelled.")
    else:
        click.echo(f"The {record.kind} of {record.filename} was cancelled. Nothing of it is left.")
