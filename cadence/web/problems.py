"""Errors become answers here: the seed's JSON under ``/api``, a page elsewhere. Never a traceback."""

import logging

from flask import Flask, Response, request
from msgspec import json
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import RequestRedirect

from cadence.errors import CadenceError, InvalidRequest, NotFound, RequestTooLarge, TooManyTurns, UploadTooLarge
from cadence.outcome import failure_json
from cadence.web.pages.problem import problem_page

log = logging.getLogger(__name__)

API_PREFIX = "/api/"


def _is_api() -> bool:
    return f"{request.path}/".startswith(API_PREFIX)


def register(app: Flask) -> None:
    """Have every error of the application answered here."""
    app.register_error_handler(CadenceError, _answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unexpected)


def _answer(error: CadenceError) -> Response:
    if not _is_api():
        return problem_page(error)
    response = Response(json.encode(failure_json(error)), status=error.status, mimetype="application/json")
    if isinstance(error, TooManyTurns):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    elif error.status == 503:
        response.headers["Retry-After"] = "1"
    return response


def _answer_http(error: HTTPException) -> Response | HTTPException:
    if isinstance(error, RequestRedirect):
        return error
    if not _is_api():
        return problem_page(error)
    response = _answer(_in_our_words(error))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _answer_unexpected(error: Exception) -> Response:
    log.exception("%s %s failed", request.method, request.path)
    if not _is_api():
        return problem_page(error)
    return _answer(CadenceError("The server's log has the reason. Nothing was changed by halves."))


def _in_our_words(error: HTTPException) -> CadenceError:
    status = error.code or 500
    if isinstance(error, RequestEntityTooLarge):
        if request.path.endswith(("/upload", "/validate")):
            return UploadTooLarge("The request is larger than this server takes; make the archive smaller.")
        return RequestTooLarge("The request is larger than this server takes; send less.")
    if status == 404:
        return NotFound(f"There is no {request.path}. GET /api/v1/openapi.json lists what there is.")
    words = InvalidRequest(error.description or "The request cannot be understood.", message=error.name)
    words.status = status
    return words
