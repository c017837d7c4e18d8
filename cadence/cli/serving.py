"""``flask serve`` and ``flask doctor``."""

import sys

import click
from flask.cli import with_appcontext

from cadence.cli.command import command, parts, say_json


@click.command("serve")
@command
def serve() -> None:
    """Run the server (CADENCE_HOST, CADENCE_PORT)."""
    from cadence.server import serve as run

    opened = parts()
    # What is open here must not be inherited by the process that serves: SQLite's locks do not survive a fork.
    opened.close()
    run(opened.settings, click.echo)


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@command
def doctor(as_json: bool) -> None:
    """Look at everything the server needs, the sandbox layer by layer; exit code 1 when something has to be mended."""
    from cadence import doctor

    opened = parts()
    try:
        diagnosis = doctor.diagnose(opened)
    finally:
        opened.close()
    if as_json:
        say_json(doctor.as_json(diagnosis))
    else:
        doctor.tell(diagnosis, click.echo)
    if not diagnosis.healthy:
        sys.exit(1)
