"""``flask plugins dev``: what an author has open in a terminal while writing a plugin."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
import msgspec
from flask.cli import with_appcontext

from cadence.cli.command import command, first_line, parts
from cadence.model import Fault, ToolSpec

if TYPE_CHECKING:
    from cadence.development import Broken, Called, Development, Happening, Loaded, ToolChanges

_LINES_EVERY_SECONDS = 0.1
_MAX_RESULT_CHARACTERS = 2000
_INDENT = " " * 10

Call = tuple[str, dict[str, Any]]


@click.command("dev")
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--call",
    "calls",
    nargs=2,
    multiple=True,
    metavar="TOOL JSON",
    help="Call a tool after each load, with the arguments in a JSON object. May be repeated.",
)
@with_appcontext
@command
def dev(directory: Path, calls: tuple[tuple[str, str], ...]) -> None:
    """Load a plugin from the folder it is written in, and again at each save, until Ctrl-C.

    It runs as an installed one would, with the grants of its name, but apart from everything installed: nothing is
    uploaded, its data is its own, and nothing of it is left at the end. While a save is broken, the last version that
    loaded goes on answering.
    """
    from cadence.development import developing

    wanted = [(tool, _arguments(text)) for tool, text in calls]
    opened = parts()
    with _Signals() as signals:
        try:
            with developing(opened.settings, directory, opened.index.granted) as development:
                signals.stop = development.stop
                _say(f"Developing {_shown(str(directory))}. Each save is loaded; Ctrl-C ends it.")
                with _lines_of(development):
                    for happening in development.happenings():
                        _tell(development, happening, wanted)
        finally:
            opened.close()
    _say("Ended. Nothing of it is left.")


def _arguments(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise click.BadParameter(f"the arguments must be a JSON object: {error}.", param_hint="--call") from None


class _Signals:
    """Has Ctrl-C, and whatever else ends a command politely, stop the development instead of breaking in on it."""

    def __init__(self) -> None:
        #: Called, once it is there, in a thread of its own: the one that was interrupted may hold any lock.
        self.stop: Callable[[], None] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        if self.stop is None:
            raise KeyboardInterrupt
        threading.Thread(target=self.stop, name="stop").start()


@contextmanager
def _lines_of(development: "Development") -> Iterator[None]:
    """Print what the plugin writes, as it comes."""
    over = threading.Event()

    def follow() -> None:
        while True:
            last = over.wait(_LINES_EVERY_SECONDS)
            for line in development.new_lines():
                click.echo(f"{_INDENT}{click.style('|', dim=True)} {_shown(line)}")
            if last:
                return

    thread = threading.Thread(target=follow, name="lines")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tell(development: "Development", happening: "Happening", calls: list[Call]) -> None:
    from cadence.development import Broken, Loaded

    if isinstance(happening, Loaded):
        _tell_loaded(happening)
        for tool, args in calls:
            _tell_called(development.call(tool, args))
    elif isinstance(happening, Broken):
        _tell_broken(happening)
    else:
        _say(click.style(f"It answers no more: {_shown(happening.words)}. Save to start it again.", fg="red"))


def _tell_loaded(loaded: "Loaded") -> None:
    count = len(loaded.tools)
    tools = f"{count} tool" if count == 1 else f"{count} tools"
    _say(f"{click.style('loaded', fg='green')} {_shown(loaded.ref.slug)} in {loaded.ms:.0f} ms: {tools}")
    for line in _changed(loaded.changes) if loaded.again else _listed(loaded.tools):
        click.echo(f"{_INDENT}{line}")
    for warning in loaded.warnings:
        click.echo(f"{_INDENT}{click.style('warning', fg='yellow')} {_shown(warning)}")


def _listed(tools: tuple[ToolSpec, ...]) -> Iterator[str]:
    for tool in tools:
        parameters = ", ".join(tool.parameters.get("properties", {}))
        yield _shown(f"{tool.name}({parameters})  {first_line(tool.description)}".rstrip())


def _changed(changes: "ToolChanges") -> Iterator[str]:
    kinds = (("+", "green", changes.added), ("-", "red", changes.removed), ("~", "yellow", changes.changed))
    for mark, colour, names in kinds:
        for name in names:
            yield f"{click.style(mark, fg=colour)} {_shown(name)}"


def _tell_broken(broken: "Broken") -> None:
    _say(click.style(f"{_shown(broken.message)} ({broken.ms:.0f} ms)", fg="red", bold=True))
    for fault in broken.faults:
        click.echo(f"{_INDENT}{click.style(_shown(_in_words(fault)), fg='red')}")
    if broken.answering:
        click.echo(f"{_INDENT}The version before, {_shown(broken.answering)}, goes on answering.")


def _in_words(fault: Fault) -> str:
    """The fault with the place in front that it is at, by which an editor finds it; that is not said twice."""
    if not fault.culprit or fault.message.startswith(f"{fault.culprit}:"):
        return fault.message
    file = fault.culprit.partition(":")[0]
    return f"{fault.culprit}: {fault.message.removeprefix(f'{file}: ')}"


def _tell_called(called: "Called") -> None:
    if called.error is not None:
        _say(click.style(f"{_shown(called.tool)}: {_shown(called.error)}", fg="red"))
        return
    result = msgspec.json.encode(called.result).decode()
    if len(result) > _MAX_RESULT_CHARACTERS:
        result = f"{result[:_MAX_RESULT_CHARACTERS]}… ({len(result)} characters)"
    _say(f"{_shown(called.tool)} = {_shown(result)}  ({called.ms:.1f} ms)")


def _say(words: str) -> None:
    click.echo(f"{click.style(datetime.now().astimezone().strftime('%H:%M:%S'), dim=True)}  {words}")


def _shown(text: str) -> str:
    """What a plugin says, with everything escaped by which it could do something to the terminal."""
    return "".join(one if one.isprintable() or one == "\t" else repr(one)[1:-1] for one in text)
