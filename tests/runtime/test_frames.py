"""Frames come out of a byte stream as they went in, however the stream is cut."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence_sdk._runtime import wire

MAX_BYTES = 1000


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(wire.HEADER_BYTES, "big") + body


def drained(reader: wire.FrameReader) -> list[bytes]:
    frames = []
    while (body := reader.next()) is not None:
        frames.append(body)
    return frames


@given(st.lists(st.binary(max_size=MAX_BYTES), max_size=8), st.data())
def test_frames_come_out_whole_and_in_order_wherever_the_stream_is_cut(
    bodies: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(framed, bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = wire.FrameReader(MAX_BYTES)
    out = []
    with pair() as (ours, theirs):
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            if start < end:
                theirs.sendall(stream[start:end])
                assert reader.read(ours)
            out += drained(reader)
    assert out == bodies


def test_a_frame_cut_at_every_byte_comes_out_whole() -> None:
    stream = framed(b'{"a": 1}') + framed(b"")
    for cut in range(len(stream) + 1):
        reader = wire.FrameReader(MAX_BYTES)
        out = []
        with pair() as (ours, theirs):
            for part in filter(None, (stream[:cut], stream[cut:])):
                theirs.sendall(part)
                assert reader.read(ours)
                out += drained(reader)
        assert out == [b'{"a": 1}', b""]


def test_a_frame_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    with pair() as (ours, theirs):
        reader = wire.FrameReader(MAX_BYTES)
        theirs.sendall(framed(b"x" * MAX_BYTES))
        assert reader.read(ours)
        assert reader.next() == b"x" * MAX_BYTES
        theirs.sendall((MAX_BYTES + 1).to_bytes(wire.HEADER_BYTES, "big"))
        assert reader.read(ours)
        with pytest.raises(wire.ProtocolError, match=f"a message of {MAX_BYTES + 1} bytes"):
            reader.next()


def test_the_end_of_the_stream_is_told() -> None:
    with pair() as (ours, theirs):
        reader = wire.FrameReader(MAX_BYTES)
        theirs.sendall(framed(b"1"))
        theirs.close()
        assert reader.read(ours)
        assert reader.next() == b"1"
        assert not reader.read(ours)
        assert reader.next() is None


def test_a_large_frame_does_not_hold_what_comes_after_it() -> None:
    bodies = [b"x" * 3_000_000, b"y"]
    reader = wire.FrameReader(4_000_000)
    stream = memoryview(b"".join(map(framed, bodies)))
    out = []
    with pair() as (ours, theirs):
        theirs.setblocking(False)
        while stream:
            stream = stream[theirs.send(stream) :]
            assert reader.read(ours)
            out += drained(reader)
        theirs.close()
        while reader.read(ours):
            out += drained(reader)
    assert out == bodies
