"""The edge at which requests come in: who asks is noted here, for whatever is decided on the way."""

from flask import Flask, request

from cadence.origin import BY_ITSELF, MAX_CLIENT_CHARACTERS, Origin, OriginKind, set_origin


def init_app(app: Flask, api_prefix: str) -> None:
    """Have every request act for whoever sent it.

    :param api_prefix: where the addresses of programs begin; the others are those of pages.
    """

    def note() -> None:
        kind = OriginKind.API if f"{request.path}/".startswith(api_prefix) else OriginKind.PAGE
        # The other end of the connection, and not a header, which anybody can write.
        client = request.remote_addr
        set_origin(Origin(kind, client[:MAX_CLIENT_CHARACTERS] if client else None))

    def forget(_: object) -> None:
        # The thread serves other requests, and may do things of its own in between.
        set_origin(BY_ITSELF)

    app.before_request(note)
    app.teardown_request(forget)
