"""``flask plugins health`` and ``test``: how plugins do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import with_appcontext
from msgspec import Struct

from cadence.cli.command import borrowed_runtime, command, parts, say_json
from cadence.cli.versions import moment, one_line
from cadence.errors import NotFound, PluginUnavailable
from cadence.history import CheckRecord, PluginState
from cadence.model import VersionRecord
from cadence.parts import Running
from cadence.web.present import human_ms
from cadence.web.version_views import self_test_view, trial_check

RECENT_CHECKS = 20


class KnownHealth(Struct, frozen=True):
    """What the index knows of a plugin's health: ``words`` how it stands, ``checks`` its latest, newest first."""

    name: str
    version: str | None
    healthy: bool
    words: str
    checks: tuple[CheckRecord, ...]


@click.command("health")
@click.argument("name", required=False)
@click.option("--check", is_flag=True, help="Check NAME now, in a worker of this command's own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@command
def health(name: str | None, check: bool, as_json: bool) -> None:
    """Show the latest health check of every plugin, or the latest checks of NAME; exit code 1 where one fails."""
    if check and name is None:
        raise click.UsageError("Say which plugin: flask plugins health NAME --check")
    if check and name is not None:
        with _awake(name) as running:
            running.guardian.check(name)
            found = [_known(name, RECENT_CHECKS)]
    elif name is not None:
        found = [_known(name, RECENT_CHECKS)]
    else:
        found = [_known(one, 1) for one in parts().index.plugin_states()]
    if as_json:
        say_json(found)
    else:
        _tell(found, every_check=name is not None)
    if not all(one.healthy for one in found):
        sys.exit(1)


@click.command("test")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@command
def test(name: str, as_json: bool) -> None:
    """Run the examples that the tools of a plugin declare, in a worker of this command's own."""
    with _awake(name) as running:
        version = active_record(name).ref.version
        view = self_test_view(name, version, running.live_set.self_test(name))
    if as_json:
        say_json(view)
    else:
        for example in view.examples:
            mark = "passed" if example.passed else "FAILED"
            click.echo(f"  {mark}  {example.tool}  {human_ms(example.ms)}  {one_line(example.words)}".rstrip())
        click.echo(f"{name} {version}: {view.message}.")
    if view.failed:
        sys.exit(1)


@contextmanager
def _awake(name: str) -> Iterator[Running]:
    """A runtime in which the plugin answers, with its active version."""
    record = active_record(name)
    with borrowed_runtime() as running:
        running.live_set.reconcile({name: record}, parts().index.generation())
        yield running


def active_record(name: str) -> VersionRecord:
    """The version of a plugin that should answer.

    :raises NotFound: when it is not installed.
    :raises PluginUnavailable: with why none should.
    """
    record = parts().index.active_of(name)
    if record is None:
        known = _known(name, 0)
        raise PluginUnavailable(f"{name} does not answer: {known.words}")
    return record


def _known(name: str, checks: int) -> KnownHealth:
    """:raises NotFound: when it is not installed."""
    index = parts().index
    state, records = index.plugin_state(name), index.versions_of(name)
    if state is None or not records:
        raise NotFound(f"No plugin {name!r} is installed.")
    active = next((record for record in records if record.active), None)
    latest = tuple(index.checks(name, checks)) or ((trial_check(active),) if active else ())
    healthy, words = _stands(state, records, latest)
    return KnownHealth(name, state.active_version, healthy, words, latest)


def _stands(state: PluginState, records: list[VersionRecord], checks: tuple[CheckRecord, ...]) -> tuple[bool, str]:
    """A disabled plugin is as it should be; one that nothing answers for because all of it is bad is not."""
    if state.disabled:
        return True, "disabled"
    if state.active_version is None:
        bad = next((record for record in records if record.quarantine), None)
        return bad is None, f"{bad.ref.version} was taken back: {bad.quarantine}" if bad else "not active"
    check = next((check for check in checks if check.version == state.active_version), None)
    if check is None or check.healthy:
        return True, "healthy"
    return False, check.words or "unhealthy"


def _tell(found: list[KnownHealth], *, every_check: bool) -> None:
    if not found:
        click.echo("No plugin is installed. Install one with: flask plugins upload NAME-VERSION.zip")
    for one in found:
        version = f" {one.version}" if one.version else ""
        click.echo(f"{one.name}{version}: {one_line(one.words)}")
        for check in one.checks if every_check else ():
            outcome = "healthy" if check.healthy else f"unhealthy  {one_line(check.words)}"
            click.echo(f"  {moment(check.at)}  {check.version}  {check.kind}  {human_ms(check.ms)}  {outcome}")
