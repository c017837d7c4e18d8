"""The forms of conversations, and the question that the one with a message asks."""

from flask import request
from wtforms import StringField, TextAreaField  # type: ignore[import-untyped]  # WTForms ships no types

from cadence.chat.values import Question
from cadence.errors import InvalidRequest
from cadence.web.pages.forms import TokenForm


class AskForm(TokenForm):
    """A message. ``plugin`` comes as often as there are plugins that may answer; without it, all may."""

    message = TextAreaField("Message")
    thread_id = StringField()


class StopForm(TokenForm):
    """The wish to end a turn."""


class ThreadDeleteForm(TokenForm):
    """The confirmation that a conversation is to be deleted."""


def question_of(form: AskForm, thread_id: str | None) -> Question:
    """What a form asks, in a thread or in a new one.

    :raises Forbidden: when it did not come from a page of this server.
    :raises InvalidRequest: when there is no message in it.
    """
    form.require_valid()
    message = typed(form)
    if not message:
        raise InvalidRequest("Write a message first.", message="Nothing was asked")
    names = tuple(dict.fromkeys(name for name in request.form.getlist("plugin") if name))
    return Question(message, thread_id or None, names or None)


def typed(form: AskForm) -> str:
    """The message as it was written. Browsers send each end of a line as CR LF (HTML, section 4.10.21.4)."""
    return str(form.message.data or "").replace("\r\n", "\n").strip()
