"""What the commands share: the parts they work on, and how they end."""

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec
from flask import current_app

from cadence.errors import CadenceError
from cadence.model import Upload
from cadence.origin import MAX_CLIENT_CHARACTERS, Origin, OriginKind, acting_for
from cadence.parts import Parts, Running


def parts() -> Parts:
    """The parts of the application."""
    found = current_app.extensions["cadence"]
    assert isinstance(found, Parts)
    return found


@contextmanager
def _in_words() -> Iterator[None]:
    """Errors of ours become a message and exit code 1, never a traceback."""
    try:
        yield
    except CadenceError as error:
        plugin = f" ({error.ref.name} {error.ref.version})" if error.ref else ""
        lines = [f"{error.message}{plugin}", *(f"  - {sentence}" for sentence in error.sentences)]
        raise click.ClickException("\n".join(lines)) from None


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Have a command's refusals told as messages, and what it does written down as the doing of its user."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        with _in_words(), acting_for(Origin(OriginKind.COMMAND, _user())):
            function(*args, **kwargs)

    return wrapped


def _user() -> str:
    """Who runs the command, by name where the host knows one."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name[:MAX_CLIENT_CHARACTERS]
    except KeyError:
        return f"user id {uid}"


@contextmanager
def borrowed_runtime() -> Iterator[Running]:
    """The runtime for one command; nothing of it is left afterwards."""
    opened = parts()
    try:
        yield opened.start()
    finally:
        opened.close()


def received(running: Running, archive: Path) -> Upload:
    """A file as an upload is received; the file stays where it is.

    :raises UploadTooLarge: when it is more than the server takes.
    """
    with archive.open("rb") as stream, running.receive() as file:
        for chunk in iter(lambda: stream.read(1 << 16), b""):
            file.write(chunk)
        return file.finish(archive.name)


def say_json(value: object) -> None:
    """Print a value as JSON, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def first_line(text: str) -> str:
    """The first line of a text that may have many."""
    return text.strip().partition("\n")[0]
