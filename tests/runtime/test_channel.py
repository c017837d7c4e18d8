"""The server's end of a channel, against a peer that does what the test says."""

import random
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadence.model import Fault
from cadence.runtime.channel import Channel, ChannelClosed, ChannelGone, MessageTooDeep, MessageTooLarge, ReplyTimeout
from cadence_sdk._runtime import wire
from tests.runtime.house import PATIENCE_SECONDS, eventually, threads

MAX_BYTES = 100_000


class Peer:
    """The other end of a channel, without a mind of its own."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.ours, self.socket = socket.socketpair()
        self.socket.settimeout(PATIENCE_SECONDS)
        self.channel = Channel(self.ours, max_bytes)

    def take(self) -> wire.Call:
        """The next call that was sent."""
        size = int.from_bytes(self._exactly(wire.HEADER_BYTES), "big")
        request = wire.decode_request(self._exactly(size))
        assert isinstance(request, wire.Call)
        return request

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            assert part, "the channel was closed"
            data += part
        return data

    def has_more(self) -> bool:
        """Whether another request can be taken without waiting; a frame is never sent in pieces here."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def take_all(self, count: int) -> dict[str, int]:
        """The ids of the next calls by their tools' names."""
        return {call.tool: call.id for call in (self.take() for _ in range(count))}

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def channel_has_more(self) -> bool:
        """Whether there is something that the channel could read now."""
        return bool(select.select([self.ours], [], [], 0)[0])

    def answer(self, id_: int, value: Any = None) -> None:
        self.send(reply(id_, value))

    def close(self) -> None:
        self.channel.close("the test is over")
        self.channel.dispose()
        self.socket.close()


def reply(id_: int, value: Any = None) -> bytes:
    return wire.frame(wire.Result(id_, value))


def raw(body: bytes) -> bytes:
    return len(body).to_bytes(wire.HEADER_BYTES, "big") + body


def ask(channel: Channel, tool: str = "tool", timeout: float = PATIENCE_SECONDS, size: int = 0) -> Any:
    """Call and give the value that was answered."""
    answer = channel.request(lambda id_: wire.Call(id_, tool, {"filling": "x" * size}), timeout)
    assert isinstance(answer, wire.Result)
    return answer.value


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def generous() -> Iterator[Peer]:
    """One to which requests can be sent that no socket's buffer holds."""
    peer = Peer(max_bytes=50_000_000)
    yield peer
    peer.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Future[Any]]]:
    with threads(40) as submit:
        yield submit


Start = Callable[..., Future[Any]]


def test_a_reply_reaches_its_caller_wherever_it_is_cut(peer: Peer, start: Start) -> None:
    size = len(reply(1, "answer"))
    for cut in range(size + 1):
        asked = start(ask, peer.channel)
        data = reply(peer.take().id, "answer")
        for part in filter(None, (data[:cut], data[cut:])):
            peer.send(part)
        assert asked.result(PATIENCE_SECONDS) == "answer"


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(8)), st.integers(1, 200))
def test_replies_in_any_order_and_any_pieces_reach_those_who_asked(order: list[int], piece: int) -> None:
    peer = Peer()
    try:
        with threads(8) as start:
            asked = {str(number): start(ask, peer.channel, str(number)) for number in range(8)}
            ids = peer.take_all(8)
            data = b"".join(reply(ids[str(number)], number) for number in order)
            for begin in range(0, len(data), piece):
                peer.send(data[begin : begin + piece])
            assert {tool: call.result(PATIENCE_SECONDS) for tool, call in asked.items()} == {
                str(number): number for number in range(8)
            }
    finally:
        peer.close()


def test_many_threads_get_their_own_answers_under_load(peer: Peer, start: Start) -> None:
    callers, calls = 12, 150

    def serve() -> None:
        """Answer in any order, and never before there is nothing more to take."""
        waiting: list[wire.Call] = []
        for _ in range(callers * calls):
            while not waiting or peer.has_more():
                waiting.append(peer.take())
            call = waiting.pop(random.randrange(len(waiting)))
            peer.answer(call.id, call.tool)

    def caller(number: int) -> bool:
        return all(ask(peer.channel, f"{number}.{turn}") == f"{number}.{turn}" for turn in range(calls))

    server = start(serve)
    assert all(future.result(60) for future in [start(caller, number) for number in range(callers)])
    server.result(PATIENCE_SECONDS)


def test_those_who_wait_are_served_when_the_leader_gives_up(peer: Peer, start: Start) -> None:
    leader = start(ask, peer.channel, "leader", 0.3)
    peer.take()
    followers = {str(number): start(ask, peer.channel, str(number)) for number in range(4)}
    ids = peer.take_all(4)
    with pytest.raises(ReplyTimeout):
        leader.result(PATIENCE_SECONDS)
    for number in range(4):
        peer.answer(ids[str(number)], number)
        assert followers[str(number)].result(PATIENCE_SECONDS) == number


def test_those_who_wait_are_served_when_the_leader_has_its_answer(peer: Peer, start: Start) -> None:
    leader = start(ask, peer.channel, "leader")
    first = peer.take()
    followers = [start(ask, peer.channel, str(number)) for number in range(4)]
    ids = peer.take_all(4)
    peer.answer(first.id, "first")
    assert leader.result(PATIENCE_SECONDS) == "first"
    for number in (3, 1, 0, 2):
        peer.answer(ids[str(number)], number)
        assert followers[number].result(PATIENCE_SECONDS) == number


def test_a_follower_that_gives_up_takes_no_one_with_it(peer: Peer, start: Start) -> None:
    leader = start(ask, peer.channel, "leader")
    first = peer.take()
    brief = start(ask, peer.channel, "brief", 0.2)
    patient = start(ask, peer.channel, "patient")
    ids = peer.take_all(2)
    with pytest.raises(ReplyTimeout):
        brief.result(PATIENCE_SECONDS)
    peer.answer(first.id, 1)
    assert leader.result(PATIENCE_SECONDS) == 1
    peer.answer(ids["patient"], 2)
    assert patient.result(PATIENCE_SECONDS) == 2


def test_a_reply_after_its_deadline_goes_to_no_one(peer: Peer, start: Start) -> None:
    with pytest.raises(ReplyTimeout):
        ask(peer.channel, timeout=0.05)
    late = peer.take()
    asked = start(ask, peer.channel)
    on_time = peer.take()
    peer.answer(late.id, "late")
    peer.answer(on_time.id, "on time")
    assert asked.result(PATIENCE_SECONDS) == "on time"


def test_a_second_reply_to_one_request_is_a_breach_that_the_first_one_does_not_suffer_from(
    peer: Peer, start: Start
) -> None:
    asked = start(ask, peer.channel)
    id_ = peer.take().id
    peer.send(reply(id_, "first") + reply(id_, "second"))
    assert asked.result(PATIENCE_SECONDS) == "first"
    with pytest.raises(ChannelClosed, match=f"it broke the protocol: a second reply to request {id_}"):
        ask(peer.channel)


def test_a_second_reply_after_the_deadline_is_a_breach_too(peer: Peer, start: Start) -> None:
    with pytest.raises(ReplyTimeout):
        ask(peer.channel, timeout=0.05)
    late = peer.take().id
    peer.send(reply(late, "late"))
    asked = start(ask, peer.channel)
    peer.answer(peer.take().id, "on time")
    assert asked.result(PATIENCE_SECONDS) == "on time"
    peer.send(reply(late, "later"))
    with pytest.raises(ChannelClosed, match=f"a second reply to request {late}"):
        ask(peer.channel)


BREACHES = {
    "a frame too large": ((MAX_BYTES + 1).to_bytes(4, "big"), f"a message of {MAX_BYTES + 1} bytes"),
    "no JSON": (raw(b"\xff\xfe"), "JSON"),
    "no UTF-8": (raw(b'{"type":"result","id":1,"value":"\xff"}'), "utf-8"),
    "an empty frame": (raw(b""), "truncated"),
    "another type": (raw(b'{"type":"spawned","id":1,"pid":1}'), "spawned"),
    "no id": (raw(b'{"type":"result","value":1}'), "id"),
    "an id that is text": (raw(b'{"type":"result","id":"1","value":1}'), "int"),
    "an id never given": (reply(7), "request 7, which was never made"),
    "an id of zero": (reply(0), "request 0, which was never made"),
    "a negative id": (reply(-1), "request -1, which was never made"),
    "an id larger than any": (raw(b'{"type":"result","id":123456789012345678901234567890,"value":1}'), ""),
    "health without a report": (raw(b'{"type":"healthy","id":1}'), "report"),
    "an array": (raw(b"[]"), "object"),
    "a value without a bottom": (raw(b'{"type":"result","id":1,"value":' + b"[" * 90_000), "recursion"),
}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES)
def test_a_breach_of_the_protocol_ends_every_call_and_says_what_it_was(
    peer: Peer, start: Start, breach: tuple[bytes, str]
) -> None:
    data, words = breach
    asked = [start(ask, peer.channel) for _ in range(3)]
    for _ in range(3):
        peer.take()
    peer.send(data)
    for call in asked:
        error = call.exception(PATIENCE_SECONDS)
        assert isinstance(error, ChannelClosed)
        assert "it broke the protocol: " in str(error)
        assert words in str(error)
    with pytest.raises(ChannelGone):
        ask(peer.channel)
    assert peer.socket.recv(1) == b""


def test_frames_beside_a_breach_are_delivered_when_they_came_before_it(peer: Peer, start: Start) -> None:
    asked = start(ask, peer.channel)
    peer.send(reply(peer.take().id, "answer") + raw(b"nonsense"))
    assert asked.result(PATIENCE_SECONDS) == "answer"
    with pytest.raises((ChannelClosed, ChannelGone)):
        ask(peer.channel, timeout=5)


def test_a_request_beyond_the_limit_or_nested_too_deep_is_refused_before_it_is_sent(peer: Peer, start: Start) -> None:
    with pytest.raises(MessageTooLarge, match=f"at most {MAX_BYTES} are allowed"):
        ask(peer.channel, size=MAX_BYTES)
    for depth in (wire.MAX_NESTING, 100_000):
        value: list[Any] = []
        for _ in range(depth):
            value = [value]
        with pytest.raises(MessageTooDeep):
            peer.channel.request(lambda id_, value=value: wire.Call(id_, "tool", {"x": value}), 1)  # type: ignore[misc]
    asked = start(ask, peer.channel)
    peer.answer(peer.take().id, "answer")
    assert asked.result(PATIENCE_SECONDS) == "answer"


def test_the_end_of_the_stream_ends_every_call(peer: Peer, start: Start) -> None:
    asked = [start(ask, peer.channel) for _ in range(5)]
    for _ in range(5):
        peer.take()
    peer.socket.close()
    for call in asked:
        assert isinstance(call.exception(PATIENCE_SECONDS), ChannelClosed)
        assert str(call.exception()) == "it closed its channel"
    with pytest.raises(ChannelGone):
        ask(peer.channel)


def test_the_end_of_the_stream_amid_a_frame_ends_the_call(peer: Peer, start: Start) -> None:
    asked = start(ask, peer.channel)
    peer.send(reply(peer.take().id, "answer")[:-1])
    peer.socket.close()
    assert isinstance(asked.exception(PATIENCE_SECONDS), ChannelClosed)


def test_closing_tells_the_reason_to_everyone_who_waits(peer: Peer, start: Start) -> None:
    asked = [start(ask, peer.channel) for _ in range(3)]
    for _ in range(3):
        peer.take()
    peer.channel.close("it was Friday")
    for call in asked:
        assert str(call.exception(PATIENCE_SECONDS)) == "it was Friday"
    peer.channel.close("it was Saturday")
    with pytest.raises(ChannelGone):
        ask(peer.channel)
    peer.channel.dispose()
    with pytest.raises(ChannelGone):
        ask(peer.channel)


def test_a_caller_that_comes_while_the_channel_is_disposed_of_is_told(peer: Peer, start: Start) -> None:
    with peer.channel._reading:  # as dispose() does, while it takes in what the worker sent last
        asked = start(ask, peer.channel)
        pending = peer.channel._pending[peer.take().id]
        peer.channel.close("it was Friday")
        eventually(pending.woken.locked)  # it was woken, found nothing to do, and waits again
    peer.channel.dispose()
    assert str(asked.exception(5)) == "it was Friday"


def test_a_peer_that_does_not_read_costs_the_sender_its_deadline_and_then_the_channel(
    generous: Peer, start: Start
) -> None:
    waiting = start(ask, generous.channel)
    generous.take()
    with pytest.raises(ReplyTimeout):
        ask(generous.channel, timeout=0.2, size=10_000_000)
    assert str(waiting.exception(PATIENCE_SECONDS)) == "it did not take its requests"
    with pytest.raises(ChannelGone):
        ask(generous.channel)


def test_a_peer_that_reads_slowly_cannot_hold_the_sender_past_its_deadline(generous: Peer, start: Start) -> None:
    """It reads on and on, and would be done in the end; it must not be waited for."""
    over = threading.Event()

    def sip() -> None:
        while not over.wait(0.001) and generous.socket.recv(20_000):
            pass

    sipping = start(sip)
    try:
        with pytest.raises(ReplyTimeout):
            ask(generous.channel, timeout=0.2, size=20_000_000)
    finally:
        over.set()
        generous.channel.close("the test is over")
        sipping.result(PATIENCE_SECONDS)


DRIP = """
import os, sys
try:
    os.write(1, (40_000_000).to_bytes(4, "big"))
    while True:
        os.write(1, b"[" * int(sys.argv[1]))
except OSError:
    pass
"""


@pytest.mark.parametrize("size", [1, 100])
def test_a_peer_that_sends_without_end_cannot_hold_a_caller_past_its_deadline(
    generous: Peer, start: Start, size: int
) -> None:
    # Another process, so that there is always more to read however fast the server reads.
    with subprocess.Popen([sys.executable, "-c", DRIP, str(size)], stdout=generous.socket.fileno()) as dripping:
        try:
            eventually(generous.channel_has_more)
            asked = start(ask, generous.channel, "held", 0.3)
            assert isinstance(asked.exception(5), ReplyTimeout)
        finally:
            generous.channel.close("the test is over")
            dripping.kill()


def test_a_caller_whose_deadline_has_passed_reads_nothing(peer: Peer) -> None:
    """However much there is: looking for more first would hold it for as long as there is more."""
    peer.send(bytes(2))
    with pytest.raises(ReplyTimeout):
        ask(peer.channel, timeout=0)
    assert peer.channel_has_more()


def test_a_request_that_is_stuck_in_the_socket_leaves_others_their_deadlines(generous: Peer, start: Start) -> None:
    stuck = start(ask, generous.channel, "stuck", 20.0, 10_000_000)
    eventually(lambda: generous.channel._sending.locked())
    brief = start(ask, generous.channel, "brief", 0.2)
    try:
        assert isinstance(brief.exception(5), ReplyTimeout)
    finally:
        generous.channel.close("the test is over")
        assert stuck.exception(PATIENCE_SECONDS) is not None


def test_a_request_that_cannot_be_encoded_leaves_the_channel_as_it_was(peer: Peer, start: Start) -> None:
    with pytest.raises((TypeError, ValueError)):
        peer.channel.request(lambda id_: wire.Call(id_, "tool", {"x": object()}), PATIENCE_SECONDS)
    asked = start(ask, peer.channel)
    peer.answer(peer.take().id, "answer")
    assert asked.result(PATIENCE_SECONDS) == "answer"


# The first message


def test_the_report_is_the_first_message(peer: Peer) -> None:
    peer.send(wire.frame(wire.Loaded(faults=(Fault("trial", "code", "words"),))))
    assert peer.channel.receive_loaded(PATIENCE_SECONDS).faults[0].message == "words"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nonsense", b'{"type":"loaded","faults":"\xff"}', reply(1)[4:], b"[" * 100_000]
)
def test_another_first_message_is_a_breach(peer: Peer, body: bytes) -> None:
    peer.send(raw(body))
    with pytest.raises(ChannelClosed, match="it broke the protocol"):
        peer.channel.receive_loaded(PATIENCE_SECONDS)


def test_no_first_message_is_waited_for_until_the_deadline(peer: Peer) -> None:
    with pytest.raises(ReplyTimeout):
        peer.channel.receive_loaded(0.05)


def test_the_end_of_the_stream_before_the_first_message_is_told(peer: Peer) -> None:
    peer.socket.close()
    with pytest.raises(ChannelClosed, match="it closed its channel"):
        peer.channel.receive_loaded(PATIENCE_SECONDS)


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_whatever_bytes_come_the_call_ends_with_an_answer_or_in_words(data: bytes) -> None:
    peer = Peer()
    try:
        peer.send(data)
        peer.socket.shutdown(socket.SHUT_WR)
        with pytest.raises((ChannelClosed, ChannelGone, AssertionError)):
            ask(peer.channel)
    finally:
        peer.close()


def test_a_reply_that_came_before_the_end_is_not_lost(peer: Peer) -> None:
    peer.answer(1, "answer")
    peer.socket.shutdown(socket.SHUT_WR)
    assert ask(peer.channel) == "answer"
