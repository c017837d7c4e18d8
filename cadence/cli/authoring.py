"""``flask plugins validate`` and ``pack``: what authors do before they upload."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from cadence.cli.command import borrowed_runtime, command, first_line, parts
from cadence.model import Trial


@click.command("validate")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@with_appcontext
@command
def validate(path: Path) -> None:
    """Check a plugin's archive or folder, trial included, and print every fault. Nothing is installed."""
    from cadence.intake.packing import identify
    from cadence.intake.upload import receive

    with borrowed_runtime() as running:
        if path.is_dir():
            trial = running.examiner.validate_folder(identify(path.absolute()), path.absolute())
        else:
            with path.open("rb") as stream:
                upload = receive(stream, path.name, running.scratch_dir(), parts().settings.max_upload_bytes)
            trial = running.examiner.validate(upload)
    _say_valid(trial)


def _say_valid(trial: Trial) -> None:
    if trial.report is None:
        click.echo(f"{trial.ref.slug} is valid; it was not tried, because its packages are not here yet.")
    else:
        click.echo(f"{trial.ref.slug} is valid: {trial.report.metadata.description}")
        for tool in trial.report.tools:
            click.echo(f"  tool {tool.name}: {first_line(tool.description)}")
    for warning in trial.warnings:
        click.echo(f"  warning: {warning}")


@click.command("pack")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", default=".", type=click.Path(file_okay=False, path_type=Path), help="Where the ZIP is written.")
@with_appcontext
@command
def pack(directory: Path, into: Path) -> None:
    """Make a correctly named archive of a plugin's folder."""
    from cadence.intake.limits import ArchiveLimits
    from cadence.intake.packing import pack as pack_directory

    into.mkdir(parents=True, exist_ok=True)
    click.echo(pack_directory(directory.absolute(), into, ArchiveLimits.from_settings(parts().settings)))
