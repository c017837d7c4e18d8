"""``flask plugins …``: what is installed, installing, deleting, reloading, calling."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from flask.cli import AppGroup

from cadence.cli.command import borrowed_runtime, command, first_line, parts, received, say_json
from cadence.cli.health import active_record
from cadence.cli.versions import moment, one_line
from cadence.errors import CadenceError, NotFound, PluginExists
from cadence.expectation import Expected
from cadence.history import PluginState
from cadence.model import InstallOptions, InstallResult, PluginRef, VersionRecord
from cadence.parts import Running

plugins = AppGroup("plugins", help="Manage plugins.")


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@command
def list_(as_json: bool) -> None:
    """List every installed version."""
    records = parts().index.versions()
    if as_json:
        say_json(records)
    elif not records:
        click.echo("No plugin is installed. Install one with: flask plugins upload NAME-VERSION.zip")
    else:
        states = parts().index.plugin_states()
        marks = [_marks(record, states.get(record.ref.name)) for record in records]
        width, mark_width = max(len(record.ref.slug) for record in records), max(6, *map(len, marks))
        for record, mark in zip(records, marks, strict=True):
            description = one_line(first_line(record.report.metadata.description))
            click.echo(f"{record.ref.slug:<{width}}  {mark:<{mark_width}}  {description}".rstrip())
            _say_quarantine(record)


@plugins.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@command
def show(name: str, as_json: bool) -> None:
    """Show one plugin: its versions, and the tools of the active one."""
    records = parts().index.versions_of(name)
    if not records:
        raise NotFound(f"No plugin {name!r} is installed.")
    if as_json:
        say_json(records)
        return
    shown = next((record for record in records if record.active), records[0])
    state = parts().index.plugin_state(name)
    click.echo(f"{name}: {one_line(shown.report.metadata.description)}")
    if state is not None and state.disabled:
        click.echo(f"  disabled: nothing of it runs; flask plugins enable {name} has it answer again")
    for record in records:
        mark = _marks(record, state)
        by_hand = ", from a folder put in by hand" if record.source == "directory" else ""
        click.echo(f"  {record.ref.version}{f'  {mark}' if mark else ''}  installed {record.installed_at}{by_hand}")
        click.echo(f"    {parts().store.folder(record.ref)}")
        _say_quarantine(record)
    click.echo(f"Tools of {shown.ref.version}:")
    for tool in shown.report.tools:
        arguments = ", ".join(tool.parameters.get("properties", {}))
        click.echo(one_line(f"  {tool.name}({arguments})  {first_line(tool.description)}"))


def _marks(record: VersionRecord, state: PluginState | None) -> str:
    """How a version stands, in a few words: which is active is shown also where its plugin is disabled."""
    known = state or PluginState(record.ref.name, None)
    marks = {
        "active": record.active,
        "pinned": record.active and known.pinned,
        "disabled": known.disabled and (record.active or known.active_version is None),
        "quarantined": record.quarantine is not None,
    }
    return ", ".join(mark for mark, holds in marks.items() if holds)


def _say_quarantine(record: VersionRecord) -> None:
    if record.quarantine is not None:
        click.echo(f"    taken back: {one_line(record.quarantine)}")


@plugins.command("upload")
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a version that is installed already.")
@click.option("--activate/--no-activate", default=None, help="Whether it answers now; by default if it is the highest.")
@click.option("--upgrade", is_flag=True, help="Resolve dependencies anew, instead of taking those of last time.")
@command
def upload(archives: tuple[Path, ...], force: bool, activate: bool | None, upgrade: bool) -> None:
    """Install plugins from their archives (NAME-VERSION.zip)."""
    options = InstallOptions(force_overwrite=force, activate=activate, upgrade=upgrade)
    with borrowed_runtime() as running:
        failed = [archive for archive in archives if not _upload(running, archive, options)]
    if failed:
        sys.exit(1)


def _upload(running: Running, archive: Path, options: InstallOptions) -> bool:
    """One of several: a refusal is told and does not keep the others from being installed."""
    try:
        result = running.installer.install(received(running, archive), options)
    except CadenceError as error:
        click.echo(f"{archive.name}: {error.message}", err=True)
        sentences = ["Use --force to replace it."] if _is_replaceable(error) else error.sentences
        for sentence in sentences:
            click.echo(f"  - {sentence}", err=True)
        return False
    _say_installed(result)
    return True


def _is_replaceable(error: CadenceError) -> bool:
    return isinstance(error, PluginExists) and "force_overwrite" in error.in_words


def _say_installed(result: InstallResult) -> None:
    state = "active" if result.activated else "installed, not active"
    click.echo(f"{result.ref.slug}: {state}; tools: {', '.join(result.tools) or 'none'}")
    for warning in result.warnings:
        click.echo(f"  warning: {warning}")


@plugins.command("delete")
@click.argument("name")
@click.argument("version")
@click.option("--yes", is_flag=True, help="Do not ask.")
@command
def delete(name: str, version: str, yes: bool) -> None:
    """Delete one installed version: its folder, its archive, its entry."""
    ref = PluginRef(name, version)
    record = parts().index.version(ref)
    if record is None:
        raise NotFound(f"{name} {version} is not installed.")
    days = parts().settings.deleted_retention_days
    if not yes:
        kept = f"It can be brought back for {days} days." if days else "It cannot be brought back."
        click.confirm(f"Delete {ref.slug}, its folder and its archive? {kept}", abort=True)
    with borrowed_runtime() as running:
        # What was asked about, though somebody may have installed it anew before the answer.
        fallback = running.remover.delete(ref, Expected(install_id=record.install_id))
        kept_until = next((one.expires_at for one in running.remover.deleted(name) if one.ref == ref), None)
    click.echo(f"{ref.slug} is deleted." + (f" {name} {fallback} is active now." if fallback else ""))
    if kept_until is not None:
        click.echo(f"Until {moment(kept_until)} this brings it back: flask plugins restore {name} {version}")


@plugins.command("reload")
@command
def reload() -> None:
    """Have every running server load all plugins anew, and show what each answers."""
    from cadence.reconciler import await_answers

    opened = parts()
    alive = opened.servers()
    generation = opened.index.request_reload()
    if not alive:
        click.echo("No server is running; plugins are loaded when one starts.")
        return
    answers = await_answers(opened.index, generation, alive)
    failed = False
    for answer in answers:
        if answer.report is None:
            failed = True
            click.echo(f"server {answer.pid}: no answer")
            continue
        report = answer.report
        failed = failed or report.failed > 0
        click.echo(f"server {answer.pid}: {report.loaded} loaded, {report.healthy} healthy, {report.failed} failed")
        for plugin in report.plugins:
            words = plugin.error or f"{plugin.ms:.0f} ms"
            click.echo(one_line(f"  {plugin.name} {plugin.version}: {words}"))
    if failed:
        sys.exit(1)


@plugins.command("call")
@click.argument("name")
@click.argument("tool")
@click.argument("arguments", default="{}")
@command
def call(name: str, tool: str, arguments: str) -> None:
    """Call a tool of the active version, in a worker of this command's own; ARGUMENTS is a JSON object."""
    try:
        args = msgspec.json.decode(arguments, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise click.BadParameter(f"must be a JSON object: {error}.", param_hint="ARGUMENTS") from None
    record = active_record(name)
    with borrowed_runtime() as running:
        running.live_set.reconcile({name: record}, parts().index.generation())
        result = running.live_set.call(name, tool, args)
        say_json(result.result)
