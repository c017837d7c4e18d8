"""``flask plugins grant``."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

import click
from dotenv import dotenv_values
from flask.cli import with_appcontext

from cadence.cli.command import borrowed_runtime, command, parts, say_json
from cadence.grants import AMOUNTS, GrantChange


def _amount_options(changed: Callable[..., None]) -> Callable[..., None]:
    for name in reversed(AMOUNTS):
        words = f"{name.replace('_', ' ').capitalize()}; 'default' is the server's own."
        changed = click.option(f"--{name.replace('_', '-')}", type=_AMOUNT, metavar="N|default", help=words)(changed)
    return changed


def _read_amount(text: str) -> int | float | str:
    """A number where it is one; what is wrong with anything else is said with the other faults."""
    for read in (int, float):
        with suppress(ValueError):
            return read(text)
    return text


_AMOUNT = click.types.FuncParamType(_read_amount)


@click.command("grant")
@click.argument("name", required=False)
@click.option("--network", multiple=True, metavar="HOST:PORT", help="Let it connect there too. May be repeated.")
@click.option("--no-network", is_flag=True, help="Close all endpoints, but for those given with --network.")
@_amount_options
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set a value in its environment. May be repeated.")
@click.option("--env-file", type=click.File(), help="Set values from lines of NAME=VALUE, where no one else sees them.")
@click.option("--unset-env", multiple=True, metavar="NAME", help="Remove a value. May be repeated.")
@click.option("--reset", is_flag=True, help="Begin with no grants at all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@command
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
    with borrowed_runtime() as running:
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

    opened = parts()
    answers = await_answers(opened.index, revision, opened.servers())
    return tuple(words for answer in answers if (words := answer.trouble_with(name)))


def _show_grants(name: str | None, troubles: tuple[str, ...] = (), *, as_json: bool, changed: bool = False) -> None:
    from cadence.web.grants import all_stored_grants, require_known, stored_grants, tell, tell_all

    index, defaults = parts().index, parts().settings.limits
    if name is not None and not changed:
        require_known(index, name)
    found = all_stored_grants(index, defaults) if name is None else stored_grants(index, name, defaults, troubles)
    if as_json:
        say_json(found)
    elif isinstance(found, list):
        tell_all(found, click.echo)
    else:
        tell(found, click.echo)
