"""Conversations: a thread with its turns, what is asked in it, the list of threads, deletion.

A browser without scripts posts the form, waits for the answer, and is led to the thread; one with them gets the turn
piece by piece (:mod:`cadence.web.pages.chat_stream`).
"""

from collections.abc import Collection, Sequence
from contextlib import suppress

from flask import Response, flash, redirect, render_template, request, stream_with_context, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from cadence.chat.stream import EventStream
from cadence.chat.values import Started, ThreadRecord, TurnRecord
from cadence.errors import CadenceError, NotFound, TooManyTurns
from cadence.web.events import event_response
from cadence.web.htmx import current_path, is_htmx, redirect_to, respond
from cadence.web.pages.chat_forms import AskForm, StopForm, ThreadDeleteForm, question_of, typed
from cadence.web.pages.chat_services import chat_services
from cadence.web.pages.chat_stream import fragments, thread_fields, thread_list
from cadence.web.pages.chat_suggestions import suggestions
from cadence.web.pages.chat_views import turn_view
from cadence.web.pages.fragments import STOP_POLLING, conditional, tag_of
from cadence.web.pages.problem import problem_of
from cadence.web.present import PluginView

SHOWN_TURNS = 50
"""Of a long conversation so many turns are shown, the last ones, unless all are asked for."""

MOST_CHOICES = 200
"""So many of the plugins that may answer can be chosen among, beside those that are chosen already."""

#: So many plugins are looked at for what could be asked.
_LOOKED_AT = 8


def chat() -> AnyResponse:
    """``GET /chat``: a new conversation. ``plugin`` in the address names those that may answer."""
    return Response(_page())


def thread(thread_id: str) -> AnyResponse:
    """``GET /chat/<thread>``: one that is there.

    :raises NotFound: when it is not.
    """
    return Response(_page(thread_id))


def ask() -> AnyResponse:
    """``POST /chat``: ask in a new thread, and on to it once it is answered."""
    return _asked(None)


def ask_in(thread_id: str) -> AnyResponse:
    """``POST /chat/<thread>``: ask in one that is there, and back to it once that is answered."""
    return _asked(thread_id)


def stream() -> AnyResponse:
    """``POST /chat/stream``: ask, and see the turn as it happens. What cannot begin is refused in words."""
    form = AskForm()
    try:
        question = question_of(form, form.thread_id.data)
        events = chat_services().stream(question)
        started = _first(events)
    except CadenceError as error:
        return _with_wait(respond(_refusal(error), status=error.status), error)
    body = stream_with_context(fragments(chat_services(), question, started, events))
    return event_response(body, events)


def turn(thread_id: str, number: int) -> AnyResponse:
    """``GET /chat/<thread>/turns/<number>``: one turn, for a page that did not ask; 304 where it is the same."""
    try:
        turns = chat_services().thread(thread_id)[1]
        record = next(turn for turn in turns if turn.number == number)
    except (NotFound, StopIteration):
        return respond(render_template("chat/partials/gone.html"), status=STOP_POLLING)
    view = turn_view(thread_id, record, _installed())
    html = render_template("chat/partials/turn.html", view=view, is_last=record is turns[-1], tag=tag_of(record))
    return conditional(html, tag_of(record), trigger=None if record.state == "running" else "threads-changed")


def stop(thread_id: str) -> AnyResponse:
    """``POST /chat/<thread>/stop``: end what is answered in it. That it has ended already is no error."""
    StopForm().require_valid()
    chat_services().stop(thread_id)
    if is_htmx():
        return Response(status=204)
    return redirect(url_for("pages.chat_thread", thread_id=thread_id), 303)


def delete(thread_id: str) -> AnyResponse:
    """``GET /chat/<thread>/delete`` asks, ``POST`` does it."""
    form = ThreadDeleteForm()
    if request.method == "POST":
        form.require_valid()
        chat_services().delete_thread(thread_id)
        return _deleted(thread_id)
    record, _ = chat_services().thread(thread_id)
    template = "chat/partials/delete.html" if is_htmx() else "chat/delete.html"
    html = render_template(template, thread=record, form=form)
    return respond(html) if is_htmx() else Response(html)


def threads() -> AnyResponse:
    """``GET /chat/threads``: the list alone. ``after`` asks for those behind one, ``current`` is the one shown."""
    if not is_htmx():
        return redirect(url_for("pages.chat", after=request.args.get("after")))
    current = request.args.get("current") or _current()
    return respond(thread_list(chat_services(), current, request.args.get("after") or None))


def _asked(thread_id: str | None) -> AnyResponse:
    form = AskForm()
    try:
        question = question_of(form, thread_id)
        events = chat_services().stream(question)
        started = _first(events)
    except CadenceError as error:
        response = Response(_page(thread_id, refused=error, message=typed(form)), status=error.status)
        return _with_wait(response, error)
    try:
        for _ in events:
            pass  # what came of it is kept in the thread
    finally:
        events.close()
    place = f"turn-{started.number}"
    return redirect(url_for("pages.chat_thread", thread_id=started.thread_id, _anchor=place), 303)


def _first(events: EventStream) -> Started:
    started = next(events)
    assert isinstance(started, Started)
    return started


def _with_wait(response: Response, error: CadenceError) -> Response:
    if isinstance(error, TooManyTurns):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _refusal(error: CadenceError) -> str:
    return render_template("chat/partials/refused.html", problem=problem_of(error))


def _page(thread_id: str | None = None, *, refused: CadenceError | None = None, message: str = "") -> str:
    """The page, with why nothing was asked where something was to be.

    :raises NotFound: when there is no such thread.
    """
    services = chat_services()
    record: ThreadRecord | None = None
    turns: list[TurnRecord] = []
    if thread_id is not None:
        record, turns = services.thread(thread_id)
    names, chosen = services.names(), _chosen(turns)
    shown = turns if request.args.get("turns") == "all" else turns[-SHOWN_TURNS:]
    can_answer = services.answering()
    able = [one for number, one in enumerate(can_answer) if number < MOST_CHOICES or one.name in chosen]
    return render_template(
        "chat/page.html",
        thread=record,
        views=[turn_view(record.id, turn, names) for turn in shown] if record else [],
        earlier=len(turns) - len(shown),
        form=AskForm(formdata=MultiDict({"message": message})),
        problem=problem_of(refused) if refused else None,
        model=services.model_name,
        able=able,
        absent=[name for name in chosen if name not in {plugin.name for plugin in able}],
        installed=names,
        chosen=chosen,
        answering=[plugin.name for plugin in able if plugin.name in chosen],
        count=len(can_answer),
        suggestions=suggestions(_views([one.name for one in able if not chosen or one.name in chosen])),
        chips=[(name, _without(name, chosen, thread_id)) for name in chosen],
        **thread_fields(services, thread_id, request.args.get("after") or None),
        tag_of=tag_of,
    )


def _chosen(turns: list[TurnRecord]) -> list[str]:
    """The plugins that may answer: those of a form that was refused, of the address, else of the turn before."""
    given = request.form if request.method == "POST" else request.args
    if request.method == "POST" or "plugin" in given:
        return list(dict.fromkeys(name for name in given.getlist("plugin") if name))
    return list(turns[-1].plugins or ()) if turns else []


def _without(name: str, chosen: list[str], thread_id: str | None) -> str:
    """The address of the page without one of the plugins that may answer; without any, all may."""
    others = [other for other in chosen if other != name] or [""]
    if thread_id is None:
        return url_for("pages.chat", plugin=others)
    return url_for("pages.chat_thread", thread_id=thread_id, plugin=others)


def _installed() -> Collection[str]:
    return chat_services().names()


def _views(names: Sequence[str]) -> list[PluginView]:
    """The first of some plugins, as far as they are there still."""
    views = []
    for name in names[:_LOOKED_AT]:
        with suppress(NotFound):
            views.append(chat_services().plugin(name))
    return views


def _current() -> str | None:
    """The thread that is shown on the page which asks."""
    path, prefix = current_path(), url_for("pages.chat") + "/"
    return path.removeprefix(prefix) if path.startswith(prefix) else None


def _deleted(thread_id: str) -> AnyResponse:
    words = "The conversation was deleted."
    if is_htmx() and _current() != thread_id:
        html = render_template("partials/notice.html", words=words)
        return respond(html, trigger={"threads-changed": "", "close-dialog": ""})
    flash(words, "deleted")
    if is_htmx():
        return redirect_to(url_for("pages.chat"))
    return redirect(url_for("pages.chat"), 303)
