"""Messages are weighed before they are decoded: what would be dear to take is refused, and that costs little."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.runtime import messages
from cadence.runtime.messages import MAX_VALUES, Malformed, decode_loaded, decode_reply
from cadence_sdk._runtime import wire

TEXTS = st.text(st.sampled_from(list('"\\\\,[{:}] x')), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=40,
)


def result(value: bytes) -> bytes:
    return b'{"type":"result","id":1,"value":' + value + b"}"


def separators(value: Any) -> int:
    """How many values there are but the first, plus one for each list and object that is empty."""
    if isinstance(value, list | dict):
        children = list(value.values()) if isinstance(value, dict) else value
        return max(1, len(children)) + sum(map(separators, children))
    return 0


@given(JSON)
def test_what_stands_in_texts_is_not_counted(value: Any) -> None:
    body = json.dumps(value).encode()
    count = separators(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "MAX_VALUES", count)
        assert not messages._has_too_many_values(body)
        if count:
            patch.setattr(messages, "MAX_VALUES", count - 1)
            assert messages._has_too_many_values(body)


SIZE = 16_000_000
EXCESSES = {
    "lists": b"[],",
    "lists in lists": b"[[[[]]]],",
    "objects": b"{},",
    "texts": b'"",',
    "escapes": rb'"\\\"",',
    "objects with keys": b'{"a":0},',
    "numbers": b"0,",
}


@pytest.mark.parametrize("unit", EXCESSES.values(), ids=EXCESSES)
def test_millions_of_values_are_refused_without_being_made(unit: bytes) -> None:
    body = result(b"[" + unit * (SIZE // len(unit)) + b"0]")
    tracemalloc.start()
    try:
        reply = decode_reply(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reply == wire.Failed(
        1, "too_large", (f"The result holds more values than the {MAX_VALUES} that are allowed.",)
    )
    assert peak < 6 * SIZE


def test_as_many_values_as_are_allowed_are_taken() -> None:
    # The message itself is one, and its three fields are three.
    reply = decode_reply(result(b"[" + b"0," * (MAX_VALUES - 4) + b"0]"))
    assert isinstance(reply, wire.Result)
    assert len(reply.value) == MAX_VALUES - 3
    assert isinstance(decode_reply(result(b"[" + b"0," * (MAX_VALUES - 3) + b"0]")), wire.Failed)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"type":"result"}', result(b'"\xff"'), result(b"[" * 2000), b'"' * 600_001]
)
@pytest.mark.parametrize("decode", [decode_reply, decode_loaded])
def test_what_is_no_message_is_said_in_few_words(decode: Any, body: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        decode(body)
    assert 0 < len(str(caught.value)) <= 200
