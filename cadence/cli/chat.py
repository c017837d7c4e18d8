"""``flask chat``: converse on the command line, once or line by line."""

from collections.abc import Iterator

import click
from flask.cli import with_appcontext

from cadence.chat.conversations import Conversations
from cadence.chat.prompts import step_line
from cadence.chat.values import AgentEnded, Answer, Broken, Event, Final, Question, Started, Token, ToolEnded
from cadence.cli.command import borrowed_runtime, command, parts, say_json
from cadence.cli.versions import one_line
from cadence.errors import CadenceError
from cadence.web.api.chat import answer_json

_LISTED = 50
_QUIT = ("/quit", "/exit")


@click.command("chat")
@click.argument("message", required=False)
@click.option("--thread", help="Go on with this conversation.")
@click.option("--plugin", "plugins", multiple=True, help="Only this plugin may answer; can be given several times.")
@click.option("--tone", help="How the answer is to sound.")
@click.option("--threads", "listing", is_flag=True, help="List the conversations instead.")
@click.option("--json", "as_json", is_flag=True, help="Print what the API answers.")
@with_appcontext
@command
def chat(
    message: str | None, thread: str | None, plugins: tuple[str, ...], tone: str | None, listing: bool, as_json: bool
) -> None:
    """Ask the agents of the active plugins; without MESSAGE line by line, until /quit or Ctrl-D.

    The turn runs in this process, with workers of its own. The conversation is the same as on the page.
    """
    if listing:
        _list()
        return
    with borrowed_runtime() as running:
        running.expect_active()
        asked = Question(message or "", thread, plugins or None, tone)
        if message is not None and as_json:
            say_json(answer_json(running.conversations.ask(asked)))
        elif message is not None:
            _shown(running.conversations, asked)
        else:
            _converse(running.conversations, asked)


def _list() -> None:
    for thread in parts().index.threads(_LISTED):
        click.echo(one_line(f"{thread.id}  {thread.updated_at[:16]}  {thread.turns} turns  {thread.title}"))


def _converse(conversations: Conversations, asked: Question) -> None:
    """Ask line by line; what fails is told, and the conversation goes on."""
    click.echo(f"The model is {conversations.model_name}. /tools, /call and /help need none; /quit ends.", err=True)
    for line in _lines():
        question = Question(line, asked.thread_id, asked.plugins, asked.tone)
        try:
            thread_id = _shown(conversations, question)
        except CadenceError as error:
            click.secho(f"{error.message}: {error.in_words}", fg="red", err=True)
            # A turn that failed is one of its thread, and the next one goes on there.
            thread_id = error.thread_id if isinstance(error, _Told) else None
        asked = Question("", thread_id or asked.thread_id, asked.plugins, asked.tone)


def _lines() -> Iterator[str]:
    """What is typed, without empty lines."""
    while True:
        try:
            line = click.prompt(">", prompt_suffix=" ", default="", show_default=False, err=True)
        except click.Abort:  # Ctrl-D, or Ctrl-C with nothing to stop
            click.echo(err=True)
            return
        if line.strip() in _QUIT:
            return
        if line.strip():
            yield line


def _shown(conversations: Conversations, question: Question) -> str | None:
    """Ask and print what happens; gives the id of the thread. Ctrl-C stops the turn."""
    stream = conversations.stream(question)
    thread_id = question.thread_id
    try:
        for event in stream:
            if isinstance(event, Started):
                thread_id = event.thread_id
            elif isinstance(event, Broken):
                raise _Told(event)
            _say(event)
    except KeyboardInterrupt:
        stream.close()
        click.echo("Stopped.", err=True)
    return thread_id


class _Told(CadenceError):
    """A turn that came to nothing, in the words of its last event."""

    def __init__(self, event: Broken) -> None:
        words = [event.details] if isinstance(event.details, str) else event.details
        super().__init__(*words, message=event.message)
        self.thread_id = event.thread_id


def _say(event: Event) -> None:
    match event:
        case ToolEnded(step):
            click.secho(one_line(step_line(step).removeprefix("- ")), dim=True, err=True)
        case AgentEnded(agent, _, str(error)):
            click.secho(one_line(f"{agent}: {error}"), fg="yellow", err=True)
        case Token(text):
            click.echo(_printable(text), nl=False)
        case Final(answer):
            _end(answer)


def _end(answer: Answer) -> None:
    click.echo()
    for notice in answer.notices:
        click.secho(one_line(notice), fg="yellow", err=True)
    click.secho(f"(thread {answer.thread_id})", dim=True, err=True)


def _printable(text: str) -> str:
    """Without what could control a terminal; lines stay."""
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in text)
