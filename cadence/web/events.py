"""Server-sent events (WHATWG HTML, section 9.2), and the events of a turn with the silences between them."""

import re
from collections.abc import Iterator
from contextlib import suppress

from flask import Response

from cadence.chat.stream import EventStream
from cadence.chat.values import Event

MEDIA_TYPE = "text/event-stream"
#: Sent where nothing happens for so long, so that it is noticed when nobody listens any more. A comment, to be ignored.
BEAT_SECONDS = 2.0
BEAT = b":\n\n"
_LINE_END = re.compile(r"\r\n|\r|\n")


def sent(event: str, data: str) -> bytes:
    """One event in the wire format. Each line of the data is a field of its own, so no data can begin an event."""
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"event: {event}\n{lines}\n".encode("utf-8", "replace")


def or_silence(events: EventStream) -> Iterator[Event | None]:
    """The events, and None where nothing happened for a while."""
    with suppress(StopIteration):
        while True:
            yield events.wait(BEAT_SECONDS)


def event_response(body: Iterator[bytes], events: EventStream) -> Response:
    """The response; when whoever follows goes away, the turn is stopped."""
    response = Response(body, mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(events.close)
    return response
