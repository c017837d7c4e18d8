"""Errors as pages, and as fragments for htmx."""

from collections.abc import Mapping

from flask import Response, make_response, render_template
from msgspec import Struct
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from cadence.errors import CadenceError, PluginExists
from cadence.web.htmx import is_htmx, respond
from cadence.web.install_views import EXISTS_WORDS


class Problem(Struct, frozen=True):
    """An error as it is shown: what is wrong in a few words, then in sentences what to do."""

    status: int
    title: str
    sentences: tuple[str, ...] = ()
    plugin: str | None = None


HTTP_WORDS: Mapping[int, tuple[str, str]] = {
    400: (
        "The request cannot be taken",
        "The server did not understand what the browser sent. Go back and try again.",
    ),
    403: (
        "Forbidden",
        "This page is out of date, or the request came from elsewhere. Reload the page and try again.",
    ),
    404: (
        "Not found",
        "There is no page at this address. It may have been moved, or what it showed was deleted.",
    ),
    405: (
        "Not possible this way",
        "This address does not take that kind of request. Start from Plugin Management.",
    ),
    413: (
        "Upload too large",
        "The file is larger than the server takes. Remove what the plugin does not need.",
    ),
}
SERVER_WORDS = (
    "Something went wrong on the server",
    "It is not your fault, and nothing is half done. Try again; if it stays so, the server's log says why.",
)


def problem_of(error: Exception) -> Problem:
    """Return what to show of an error. Of one that is not meant for the public, nothing but that it happened."""
    if isinstance(error, CadenceError):
        plugin = f"{error.ref.name} {error.ref.version}" if error.ref else None
        sentences = (EXISTS_WORDS,) if isinstance(error, PluginExists) else error.sentences
        return Problem(error.status, error.message, sentences, plugin)
    status = error.code if isinstance(error, HTTPException) and error.code else 500
    title, sentence = HTTP_WORDS.get(status, SERVER_WORDS if status >= 500 else HTTP_WORDS[400])
    return Problem(status, title, (sentence,))


def problem_page(error: Exception) -> Response:
    """Answer with the error in words.

    :param error: a :class:`CadenceError`, an ``HTTPException``, or any other exception, which becomes a 500.
    :return: a page with the error's status; for htmx a notice, put into the page's region for notices.
    """
    problem = problem_of(error)
    if is_htmx():
        html = render_template("partials/problem.html", problem=problem)
        response = respond(html, status=problem.status, retarget="#notices", reswap="innerHTML", trigger="close-dialog")
    else:
        response = make_response(render_template("problem.html", problem=problem), problem.status)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response
