"""Sessions for the pages only: a program has no use for one, and making it costs a tenth of a tool call."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface


class PageSessions(SecureCookieSessionInterface):
    """Flask's signed cookies, except under the given prefix, where there is no session.

    :param without: where requests have none.
    """

    def __init__(self, without: str) -> None:
        self._without = without

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a request, None where it has none."""
        return None if request.path.startswith(self._without) else super().open_session(app, request)
