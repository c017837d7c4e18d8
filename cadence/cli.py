"""``flask serve``, ``flask doctor``, ``flask plugins …``: thin, each command one call on the parts and lines of text.

They act on store and index directly, with and without a running server; a running one follows within a moment.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import IO, Any

import click
import msgspec
from dotenv import dotenv_values
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from cadence.errors import CadenceError, NotFound, PluginExists
from cadence.grants import AMOUNTS, GrantChange
from cadence.model import InstallOptions, InstallResult, PluginRef, Trial, VersionRecord
from cadence.parts import Parts, Running


def register(app: Flask) -> None:
    """Add the commands to the application's."""
    app.cli.add_command(serve)
    app.cli.add_command(doctor)
    app.cli.add_command(plugins)


def _parts() -> Parts:
    parts = current_app.extensions["cadence"]
    assert isinstance(parts, Parts)
    return parts


@contextmanager
def _in_words() -> Iterator[None]:
    """Errors of ours become a message and exit code 1, never a traceback."""
    try:
        yield
    except CadenceError as error:
        plugin = f" ({error.ref.name} {error.ref.version})" if error.ref else ""
        lines = [f"{error.message}{plugin}", *(f"  - {sentence}" for sentence in error.sentences)]
        raise click.ClickException("\n".join(lines)) from None


def _command(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        with _in_words():
            function(*args, **kwargs)

    return wrapped


@contextmanager
def _borrowed_runtime() -> Iterator[Running]:
    """The runtime for one command; nothing of it is left afterwards."""
    parts = _parts()
    try:
        yield parts.start()
    finally:
        parts.close()


def _say_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


@click.command("serve")
@_command
def serve() -> None:
    """Run the server (CADENCE_HOST, CADENCE_PORT)."""
    from cadence.server import serve as run

    parts = _parts()
    # What is open here must not be inherited by the process that serves: SQLite's locks do not survive a fork.
    parts.close()
    run(parts.settings, click.echo)


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@_command
def doctor(as_json: bool) -> None:
    """Look at everything the server needs, the sandbox layer by layer; exit code 1 when something has to be mended."""
    from cadence import doctor

    parts = _parts()
    try:
        diagnosis = doctor.diagnose(parts)
    finally:
        parts.close()
    if as_json:
        _say_json(doctor.as_json(diagnosis))
    else:
        doctor.tell(diagnosis, click.echo)
    if not diagnosis.healthy:
        sys.exit(1)


plugins = AppGroup("plugins", help="Manage plugins.")


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_command
def list_(as_json: bool) -> None:
    """List every installed version."""
    records = _parts().index.versions()
    if as_json:
        _say_json(records)
    elif not records:
        click.echo("No plugin is installed. Install one with: flask plugins upload NAME-VERSION.zip")
    else:
        width = max(len(record.ref.slug) for record in records)
        for record in records:
            mark = "active" if record.active else "      "
            click.echo(f"{record.ref.slug:<{width}}  {mark}  {record.report.metadata.description}")


@plugins.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_command
def show(name: str, as_json: bool) -> None:
    """Show one plugin: its versions, and the tools of the active one."""
    records = _parts().index.versions_of(name)
    if not records:
        raise NotFound(f"No plugin {name!r} is installed.")
    if as_json:
        _say_json(records)
        return
    shown = next((record for record in records if record.active), records[0])
    click.echo(f"{name}: {shown.report.metadata.description}")
    for record in records:
        click.echo(f"  {record.ref.version}{'  active' if record.active else ''}  installed {record.installed_at}")
        click.echo(f"    {_parts().store.folder(record.ref)}")
    click.echo(f"Tools of {shown.ref.version}:")
    for tool in shown.report.tools:
        click.echo(
            f"  {tool.name}({', '.join(tool.parameters.get('properties', {}))})  {_first_line(tool.description)}"
        )


@plugins.command("upload")
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a version that is installed already.")
@click.option("--activate/--no-activate", default=None, help="Whether it answers now; by default if it is the highest.")
@_command
def upload(archives: tuple[Path, ...], force: bool, activate: bool | None) -> None:
    """Install plugins from their archives (NAME-VERSION.zip)."""
    options = InstallOptions(force_overwrite=force, activate=activate)
    with _borrowed_runtime() as running:
        failed = [archive for archive in archives if not _upload(running, archive, options)]
    if failed:
        sys.exit(1)


def _upload(running: Running, archive: Path, options: InstallOptions) -> bool:
    """One of several: a refusal is told and does not keep the others from being installed."""
    try:
        with archive.open("rb") as stream, running.receive() as file:
            for chunk in iter(lambda: stream.read(1 << 16), b""):
                file.write(chunk)
            received = file.finish(archive.name)
        result = running.installer.install(received, options)
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
@_command
def delete(name: str, version: str, yes: bool) -> None:
    """Delete one installed version: its folder, its archive, its entry."""
    ref = PluginRef(name, version)
    if _parts().index.version(ref) is None:
        raise NotFound(f"{name} {version} is not installed.")
    if not yes:
        click.confirm(f"Delete {ref.slug}, its folder and its archive?", abort=True)
    with _borrowed_runtime() as running:
        fallback = running.installer.delete(ref)
    click.echo(f"{ref.slug} is deleted." + (f" {name} {fallback} is active now." if fallback else ""))


@plugins.command("reload")
@_command
def reload() -> None:
    """Have every running server load all plugins anew, and show what each answers."""
    from cadence.reconciler import await_answers

    parts = _parts()
    alive = parts.servers()
    generation = parts.index.request_reload()
    if not alive:
        click.echo("No server is running; plugins are loaded when one starts.")
        return
    answers = await_answers(parts.index, generation, alive)
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
            click.echo(f"  {plugin.name} {plugin.version}: {words}")
    if failed:
        sys.exit(1)


def _amount_options(command: Callable[..., None]) -> Callable[..., None]:
    for name in reversed(AMOUNTS):
        words = f"{name.replace('_', ' ').capitalize()}; 'default' is the server's own."
        command = click.option(f"--{name.replace('_', '-')}", type=_AMOUNT, metavar="N|default", help=words)(command)
    return command


def _read_amount(text: str) -> int | float | str:
    """A number where it is one; what is wrong with anything else is said with the other faults."""
    for read in (int, float):
        with suppress(ValueError):
            return read(text)
    return text


_AMOUNT = click.types.FuncParamType(_read_amount)


@plugins.command("grant")
@click.argument("name", required=False)
@click.option("--network", multiple=True, metavar="HOST:PORT", help="Let it connect there too. May be repeated.")
@click.option("--no-network", is_flag=True, help="Close all endpoints, but for those given with --network.")
@_amount_options
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set a value in its environment. May be repeated.")
@click.option("--env-file", type=click.File(), help="Set values from lines of NAME=VALUE, where no one else sees them.")
@click.option("--unset-env", multiple=True, metavar="NAME", help="Remove a value. May be repeated.")
@click.option("--reset", is_flag=True, help="Begin with no grants at all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_command
def grant(
    name: str | None, as_json: bool, env: tuple[str, ...], env_file: IO[str] | None, reset: bool, **options: Any
) -> None:
    """Change what a plugin is permitted; without options, show it; without NAME, list all that were granted anything.

    What is not named stays as it is. The plugin answers all the while: it is tried with the new grants first, and
    nothing changes when it does not start with them; but an endpoint, an environment value or processes that are taken
    away are gone in any case. A plugin that is not installed yet is tried with its grants at its first install.
    """
    given = {key: options.pop(key) for key in AMOUNTS}
    amounts = {key: None if value == "default" else value for key, value in given.items() if value is not None}
    change = GrantChange(amounts=amounts, env=_environment(env, env_file), reset=reset, **options)
    if name is None and change != GrantChange():
        raise click.UsageError("Say which plugin: flask plugins grant NAME …")
    if name is None or change == GrantChange():
        _show_grants(name, as_json=as_json)
        return
    with _borrowed_runtime() as running:
        outcome = running.granter.grant(name, change.applied_to)
        troubles = (outcome.error,) if outcome.error else _server_troubles(name, outcome.granted.revision)
        _show_grants(name, troubles, as_json=as_json, changed=True)
    if troubles:
        sys.exit(1)


def _environment(pairs: tuple[str, ...], file: IO[str] | None) -> dict[str, str | None]:
    values = dict(dotenv_values(stream=file, interpolate=False)) if file else {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{key!r} has no value; write it as NAME=VALUE.", param_hint="--env")
        values[key] = value
    return values


def _server_troubles(name: str, revision: int) -> tuple[str, ...]:
    """Wait until every running server has followed; why those did not that could not."""
    from cadence.reconciler import await_answers

    parts = _parts()
    answers = await_answers(parts.index, revision, parts.servers())
    return tuple(words for answer in answers if (words := answer.trouble_with(name)))


def _show_grants(name: str | None, troubles: tuple[str, ...] = (), *, as_json: bool, changed: bool = False) -> None:
    from cadence.web.grants import all_stored_grants, require_known, stored_grants, tell, tell_all

    index, defaults = _parts().index, _parts().settings.limits
    if name is not None and not changed:
        require_known(index, name)
    found = all_stored_grants(index, defaults) if name is None else stored_grants(index, name, defaults, troubles)
    if as_json:
        _say_json(found)
    elif isinstance(found, list):
        tell_all(found, click.echo)
    else:
        tell(found, click.echo)


@plugins.command("validate")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@_command
def validate(path: Path) -> None:
    """Check a plugin's archive or folder, trial included, and print every fault. Nothing is installed."""
    from cadence.intake.packing import identify
    from cadence.intake.upload import receive

    with _borrowed_runtime() as running:
        if path.is_dir():
            trial = running.examiner.validate_folder(identify(path.absolute()), path.absolute())
        else:
            with path.open("rb") as stream:
                upload = receive(stream, path.name, running.scratch_dir(), _parts().settings.max_upload_bytes)
            trial = running.examiner.validate(upload)
    _say_valid(trial)


def _say_valid(trial: Trial) -> None:
    click.echo(f"{trial.ref.slug} is valid: {trial.report.metadata.description}")
    for tool in trial.report.tools:
        click.echo(f"  tool {tool.name}: {_first_line(tool.description)}")
    for warning in (*trial.warnings, *trial.report.warnings):
        click.echo(f"  warning: {warning}")


@plugins.command("pack")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", default=".", type=click.Path(file_okay=False, path_type=Path), help="Where the ZIP is written.")
@_command
def pack(directory: Path, into: Path) -> None:
    """Make a correctly named archive of a plugin's folder."""
    from cadence.intake.limits import ArchiveLimits
    from cadence.intake.packing import pack as pack_directory

    into.mkdir(parents=True, exist_ok=True)
    click.echo(pack_directory(directory.absolute(), into, ArchiveLimits.from_settings(_parts().settings)))


@plugins.command("call")
@click.argument("name")
@click.argument("tool")
@click.argument("arguments", default="{}")
@_command
def call(name: str, tool: str, arguments: str) -> None:
    """Call a tool of the active version, in a worker of this command's own; ARGUMENTS is a JSON object."""
    try:
        args = msgspec.json.decode(arguments, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise click.BadParameter(f"must be a JSON object: {error}.", param_hint="ARGUMENTS") from None
    record = _active(name)
    with _borrowed_runtime() as running:
        running.live_set.reconcile({name: record}, _parts().index.generation())
        result = running.live_set.call(name, tool, args)
        _say_json(result.result)


def _active(name: str) -> VersionRecord:
    record = _parts().index.active().get(name)
    if record is None:
        raise NotFound(f"No plugin {name!r} is active. flask plugins list shows what is installed.")
    return record


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
