"""``flask plugins activate``, ``rollback``, ``pin``, ``disable``, ``restore`` …: which version answers."""

import sys
from collections.abc import Callable

import click
from flask.cli import with_appcontext

from cadence.cli.command import borrowed_runtime, command, parts, say_json
from cadence.model import PluginRef
from cadence.switching import Switched, Switcher
from cadence.web import version_views as views


@click.command("activate")
@click.argument("name")
@click.argument("version")
@click.option("--pin", is_flag=True, help="Keep it, whatever is uploaded or fails.")
@with_appcontext
@command
def activate(name: str, version: str, pin: bool) -> None:
    """Have an installed version answer. It is tried out first; the one that answers stays if it does not load."""
    _decide(
        lambda switcher, trial: switcher.activate(name, version, trial=trial, pin=pin),
        views.pinned_words if pin else views.activated_words,
    )


@click.command("rollback")
@click.argument("name")
@with_appcontext
@command
def rollback(name: str) -> None:
    """Have the version answer that was active before the present one.

    Only the index is changed, so this works too where the server cannot start; servers that run follow at once.
    """
    _say(_without_runtime().roll_back(name, trial=False), views.activated_words)


@click.command("pin")
@click.argument("name")
@click.argument("version", required=False)
@with_appcontext
@command
def pin(name: str, version: str | None) -> None:
    """Keep the active version, or VERSION, whatever is uploaded or fails."""
    state = parts().index.plugin_state(name)
    if version is None or (state is not None and state.active_version == version):
        _say(_without_runtime().pin(name), views.pinned_words, follow=False)
    else:
        _decide(lambda switcher, trial: switcher.pin(name, version, trial=trial), views.pinned_words)


@click.command("unpin")
@click.argument("name")
@with_appcontext
@command
def unpin(name: str) -> None:
    """Let a higher version that is uploaded become active again."""
    _say(_without_runtime().unpin(name), views.unpinned_words, follow=False)


@click.command("disable")
@click.argument("name")
@with_appcontext
@command
def disable(name: str) -> None:
    """Have nothing of a plugin run until it is enabled.

    Only the index is changed, so this works too where the server cannot start; servers that run follow at once.
    """
    _say(_without_runtime().disable(name), views.disabled_words)


@click.command("enable")
@click.argument("name")
@with_appcontext
@command
def enable(name: str) -> None:
    """Have a plugin answer again. Its active version is tried out first; it stays disabled if that does not load."""
    _decide(lambda switcher, trial: switcher.enable(name, trial=trial), views.enabled_words)


@click.command("restore")
@click.argument("name")
@click.argument("version")
@with_appcontext
@command
def restore(name: str, version: str) -> None:
    """Bring a deleted version back as it was; flask plugins deleted lists what can be brought back."""
    with borrowed_runtime() as running:
        restored = running.remover.restore(PluginRef(name, version))
        click.echo(f"{name} {version} is {'active' if restored.activated else 'installed, not active'} again.")
        _say_servers(name)


@click.command("deleted")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@command
def deleted(as_json: bool) -> None:
    """List what was deleted and can be brought back."""
    found = [views.deleted_view(one) for one in parts().index.deleted_versions()]
    if as_json:
        say_json(found)
        return
    if not found:
        click.echo("Nothing was deleted that could be brought back.")
    for one in found:
        was = "  was active" if one.was_active else ""
        click.echo(
            f"{one.name} {one.version}  deleted {moment(one.deleted_at)}, kept until {moment(one.expires_at)}{was}"
        )


def moment(at: str) -> str:
    """An ISO 8601 moment, UTC, to the second."""
    return f"{at[:19].replace('T', ' ')}Z"


def one_line(text: str) -> str:
    """Words that may come from a plugin, fit for a terminal: what is not printable is escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _decide(decide: Callable[[Switcher, bool], Switched], words: Callable[[Switched], str]) -> None:
    """What takes a trial, in a runtime of this command's own; in safe mode, without both."""
    if parts().settings.safe_mode:
        _say(decide(_without_runtime(), False), words)
        return
    with borrowed_runtime() as running:
        _say(decide(running.switcher, True), words)


def _without_runtime() -> Switcher:
    return Switcher(parts().index)


def _say(switched: Switched, words: Callable[[Switched], str], *, follow: bool = True) -> None:
    click.echo(words(switched))
    if follow:
        _say_servers(switched.name)


def _say_servers(name: str) -> None:
    """Wait until every running server has followed, and show what each answers; exit code 1 where one could not."""
    from cadence.reconciler import await_answers

    opened = parts()
    generation, alive = opened.index.generation(), opened.servers()
    answers = await_answers(opened.index, generation, alive) if alive else []
    troubles = [answer.trouble_with(name) for answer in answers]
    for answer, trouble in zip(answers, troubles, strict=True):
        click.echo(f"server {answer.pid}: followed" if trouble is None else one_line(trouble))
    if any(troubles):
        sys.exit(1)
