"""What a worker sent, from bytes to messages.

The bytes were written by a plugin. Decoding holds the interpreter, so what would be slow to decode is refused before
it is decoded; and what is decoded can be encoded again anywhere in the server, however deep its own calls are by then.
"""

import msgspec

from cadence_sdk._runtime import wire
from cadence_sdk._runtime.report import MAX_EXAMPLES_PER_PLUGIN, Fault

#: How many values a message may hold, keys aside. A list of three bytes (``[],``) becomes an object of eighty: without
#: this bound 16 MiB of them would stop every thread of the server for two seconds and take half a gigabyte.
MAX_VALUES = 250_000
#: How large the first message, with the report, may be, in bytes: it is kept in the index and shown in lists.
MAX_REPORT_BYTES = 1024 * 1024

#: How long what a worker says of one example may be, and the name of its tool, in characters.
MAX_EXAMPLE_CHARS = 10_000

_MAX_WORDS = 200
#: What decoding raises for bytes that are no message; text that is not UTF-8 is not among msgspec's own.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Malformed(Exception):
    """The bytes are no message of the protocol; the words say why."""

    def __init__(self, error: Exception) -> None:
        # The words can quote what was sent, however long that is.
        super().__init__(str(error)[:_MAX_WORDS])


class _Envelope(msgspec.Struct):
    """Whose reply it is; the rest is only skipped."""

    id: int


def decode_loaded(body: bytes) -> wire.Loaded:
    """The first message; a report that is too much to take becomes the fault that says so.

    :raises Malformed: when it is no such message.
    """
    if len(body) > MAX_REPORT_BYTES:
        size = f"in {len(body)} bytes; at most {MAX_REPORT_BYTES} are allowed"
        return _refused("report_too_large", f"The plugin describes itself {size}.")
    try:
        if _has_too_many_values(body):
            return _refused("report_too_large", f"The plugin describes itself in more than {MAX_VALUES} values.")
        loaded: wire.Loaded = wire.decode_loaded(body)
    except _UNDECODABLE as error:
        raise Malformed(error) from None
    if _is_too_deep(body):
        words = f"The plugin describes itself in JSON that is nested more than {wire.MAX_NESTING} levels deep."
        return _refused("report_too_deep", words)
    return loaded


def decode_reply(body: bytes) -> wire.Reply:
    """A later message; a reply that is too much to take becomes a failure for whoever asked.

    :raises Malformed: when it is no such message.
    """
    try:
        if _has_too_many_values(body):
            words = f"The result holds more values than the {MAX_VALUES} that are allowed."
            return wire.Failed(msgspec.json.decode(body, type=_Envelope).id, "too_large", (words,))
        reply: wire.Reply = wire.decode_reply(body)
    except _UNDECODABLE as error:
        raise Malformed(error) from None
    if isinstance(reply, wire.SelfTested) and _says_too_much(reply):
        raise Malformed(ValueError("more about its examples than there is to say"))
    if _is_too_deep(body):
        words = f"The result is nested more than {wire.MAX_NESTING} levels deep."
        return wire.Failed(reply.id, "too_large", (words,))
    return reply


def _says_too_much(reply: wire.SelfTested) -> bool:
    """Whether it is no answer of our own code in the worker, whose results are bounded."""
    return len(reply.results) > MAX_EXAMPLES_PER_PLUGIN or any(
        len(result.words) + len(result.tool) > MAX_EXAMPLE_CHARS for result in reply.results
    )


def _refused(code: str, words: str) -> wire.Loaded:
    return wire.Loaded(faults=(Fault("trial", code, words),))


def _is_too_deep(body: bytes) -> bool:
    return wire.too_deep(bytes(wire.HEADER_BYTES) + body)


def _has_too_many_values(body: bytes) -> bool:
    """Whether JSON holds more than :data:`MAX_VALUES` values; costs nothing for most, and little for any.

    Each value but the first follows one of ``,``, ``[`` and ``{``, or is the value of a key that does. Those in strings
    do not count, which has to be looked at only where there are many.
    """
    if len(body) <= MAX_VALUES or _separators(body) <= MAX_VALUES:
        return False
    bare = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if bare.count(b'"') > 4 * (MAX_VALUES + 1):  # two for each key and for each value
        return True
    return _separators(b"".join(bare.split(b'"')[::2])) > MAX_VALUES


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")
