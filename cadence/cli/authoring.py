"""``flask plugins validate`` and ``pack``: what authors do before they upload."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from cadence.bundling import Bundle, bundle
from cadence.cli.command import borrowed_runtime, command, first_line, parts, received
from cadence.cli.comparison import say_comparison
from cadence.comparer import Comparer
from cadence.comparison import Comparison
from cadence.dependencies.explanation import HERE
from cadence.dependencies.installation import VENDORED
from cadence.intake.limits import ArchiveLimits, bytes_in_words
from cadence.intake.packing import pack as pack_directory
from cadence.model import CheckOptions, DependencyPlan, Trial
from cadence.progress import Progress


@click.command("validate")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--trial", is_flag=True, help="Install the packages it needs to try it out, and let them go afterwards.")
@click.option("--upgrade", is_flag=True, help="Resolve its dependencies anew, instead of taking those of last time.")
@with_appcontext
@command
def validate(path: Path, trial: bool, upgrade: bool) -> None:
    """Check a plugin's archive or folder and print every fault. Nothing is installed.

    It is tried out too, unless that takes packages which are not here: --trial has them installed for it.
    """
    from cadence.intake.packing import identify

    with borrowed_runtime() as running:
        if path.is_dir():
            ref, folder = identify(path.absolute()), path.absolute()
            checked_folder = running.examiner.check_folder(ref, folder, trial=trial, upgrade=upgrade)
            _say_valid(checked_folder)
            _say_changes(Comparer(parts().index, parts().store).with_installed(checked_folder, folder))
            return
        checked = running.installer.check(received(running, path), CheckOptions(upgrade=upgrade, trial=trial))
    _say_valid(checked.trial)
    _say_changes(checked.comparison)
    if checked.installed:
        click.echo("  installed already: flask plugins upload --force replaces it")


def _say_valid(trial: Trial) -> None:
    if trial.report is None:
        click.echo(f"{trial.ref.slug} is valid, as far as that can be told without a trial.")
    else:
        click.echo(f"{trial.ref.slug} is valid: {trial.report.metadata.description}")
        for tool in trial.report.tools:
            click.echo(f"  tool {tool.name}: {first_line(tool.description)}")
    _say_plan(trial.plan)
    for warning in trial.warnings:
        click.echo(f"  warning: {warning}")


def _say_changes(comparison: Comparison | None) -> None:
    """What an install would change; nothing where the plugin is not installed."""
    if comparison is not None:
        say_comparison(comparison)


def _say_plan(plan: DependencyPlan) -> None:
    for one in plan.added:
        size = "size unknown" if one.size_bytes is None else bytes_in_words(one.size_bytes)
        verb = "has" if plan.ready else "would add"
        click.echo(f"  {verb} {one.name} {one.version} ({size}, for {one.requirement})")
    for provided in plan.provided:
        click.echo(f"  already there: {provided.replace('==', ' ')}")
    for reason in plan.isolated:
        click.echo(f"  own interpreter: {reason}")
    if plan.ready and plan.added:
        click.echo("  nothing to download: its packages are here")
    elif plan.size_bytes:
        click.echo(f"  to download: {bytes_in_words(plan.size_bytes)} at most")


@click.command("pack")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", default=".", type=click.Path(file_okay=False, path_type=Path), help="Where the ZIP is written.")
@click.option(
    "--with-wheels",
    is_flag=True,
    help="Put the packages that the plugin needs into it, as wheels for this Python and platform.",
)
@with_appcontext
@command
def pack(directory: Path, into: Path, with_wheels: bool) -> None:
    """Make a correctly named archive of a plugin's folder."""
    settings = parts().settings
    into.mkdir(parents=True, exist_ok=True)
    if with_wheels:
        if (directory / VENDORED).is_dir():
            click.echo(
                f"{directory / VENDORED} is there: its wheels are taken first. The folder stays as it is.", err=True
            )
        _say_bundle(bundle(directory.absolute(), into, settings, _Told()))
    else:
        limits = ArchiveLimits.from_settings(settings)
        click.echo(pack_directory(directory.absolute(), into, limits, max_bytes=settings.max_upload_bytes))


class _Told(Progress):
    """Says what is downloaded as it is: a large package takes a while. Nothing else that uv says is news."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def say(self, line: str) -> None:
        if line.lstrip().startswith("Download"):
            click.echo(f"  {line.lstrip()}", err=True)


def _say_bundle(bundled: Bundle) -> None:
    """The archive's path comes last, alone on its line."""
    for reason in bundled.plan.isolated:
        click.echo(f"  isolated: {reason}")
    for wheel in bundled.wheels:
        click.echo(f"  {wheel.path.name}  {bytes_in_words(wheel.size_bytes)}")
    if bundled.wheels:
        total = bytes_in_words(sum(wheel.size_bytes for wheel in bundled.wheels))
        what = "wheel" if len(bundled.wheels) == 1 else "wheels"
        click.echo(f"{len(bundled.wheels)} {what}, {total}, for {HERE}")
    else:
        click.echo("The plugin needs no package beside those that every plugin has; there is no wheel to add.")
    if not bundled.complete:
        click.echo(
            "  warning: The plugin computes its dependencies. Only those that its files state were taken; state the"
            " others as literals in PluginMetadata or in pyproject.toml."
        )
    click.echo(bundled.archive)
