"""Attacks on the channel between worker and server, and on the log pipe, by plugins that were uploaded.

Each time another plugin is called all the while, and no call of it may fail. What the attack costs the server is told
as a share of the processor's time, where it could otherwise cost more than a call: no clock decides.
"""

import errno
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from cadence.config import Settings
from cadence.errors import CallFailed, CallTimedOut, ValidationFailed, WorkerEnded
from cadence.model import PluginRef
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.attacks.channel_plugins import attacker
from tests.runtime.house import PATIENCE_SECONDS, House, Neighbour, eventually, threads, undisturbed, with_ping

#: How much of a processor an attack may take of the server, where without a defence it would take most of one.
SHARE = 0.2
#: So many answers of the neighbour are waited for while that is measured.
ANSWERS = 2000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Deadlines that no healthy plugin meets, however busy the machine is."""
    return Settings(instance=tmp_path / "instance", load_seconds=30.0, call_seconds=30.0)


@pytest.fixture(autouse=True)
def _no_moment_to_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    """What attackers still do at the end of a test is not waited for: they would never finish."""
    monkeypatch.setattr("cadence.runtime.live_set._CLOSE_SECONDS", 0.0)


@pytest.fixture
def house(settings: Settings, zygote: Zygote) -> Iterator[House]:
    parts = Parts(settings, zygote)
    yield House(parts)
    parts.close()


@pytest.fixture
def impatient(settings: Settings, zygote: Zygote) -> Iterator[House]:
    """One whose deadlines come."""
    parts = Parts(replace(settings, call_seconds=3.0), zygote)
    yield House(parts)
    parts.close()


def install(house: House, **attack: str) -> int:
    """Install a plugin that attacks so, and give its process."""
    house.install_files(attacker(**attack))
    pid = house.call("ping")
    assert isinstance(pid, int)
    return pid


def tell(house: House) -> None:
    """Let the plugin begin, or go on."""
    (data_folder(house) / "now").touch()


def data_folder(house: House) -> Path:
    return house.parts.settings.instance / "data" / "demo_plugin"


def assert_replaced(house: House, pid: int, neighbour: Neighbour) -> None:
    """Nothing is left of the worker, and the plugin and its neighbour answer as before."""
    neighbour.await_progress()
    assert house.await_replacement(pid) != pid
    assert house.call("ping") == house.pid() != pid
    assert house.live().status == "live"
    house.await_only("demo_plugin", "neighbour")


def processor_seconds(thread: threading.Thread) -> float:
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


# What breaks the protocol


BREACHES = {
    "a frame larger than any": ("pour(bytes([255] * 4))", "a message of 4294967295 bytes"),
    "a frame one byte too large": (
        "pour((16 * 1024 * 1024 + 1).to_bytes(4, 'big'))",
        "a message of 16777217 bytes, where at most 16777216 are allowed",
    ),
    "an empty frame": ("pour(framed(b''))", "truncated"),
    "no JSON": ("pour(framed(b'nonsense'))", "malformed"),
    "text that is not UTF-8": (
        """pour(framed(b'{"type":"result","id":%d,"value":"\\xff"}' % own_id()))""",
        "'utf-8' codec can't decode byte",
    ),
    "a value without a bottom": (
        """pour(framed(b'{"type":"result","id":%d,"value":' % own_id() + b"[" * 1_000_000))""",
        "recursion",
    ),
    "an array": ("pour(framed(b'[]'))", "object"),
    "a number that no one can hold": (
        """pour(framed(b'{"type":"result","id":' + b"9" * 10_000 + b"}"))""",
        "Integer value",
    ),
    "a message of the server": ("pour(message(type='call', id=own_id(), tool='ping', args={}))", "call"),
    "a message of the zygote": ("pour(message(type='exited', pid=1, status=0))", "exited"),
    "a name longer than any message": ("pour(message(type='x' * 1_000_000, id=own_id()))", "xxx"),
    "a second report": ("pour(report())", "loaded"),
    "a reply to no call": ("pour(result(0))", "request 0, which was never made"),
    "a reply to a call that is yet to come": ("pour(result(own_id() + 1))", "which was never made"),
    "a second reply to a call that is over": ("pour(result(own_id() - 1))", "a second reply to request"),
    "a flood of replies that nobody asked for": ("while True: pour(result(own_id() - 1))", "a second reply to request"),
    "a reply of another kind": (
        "pour(message(type='healthy', id=own_id(), report={'healthy': True}))",
        "a reply of another kind",
    ),
}


@pytest.mark.parametrize("which", BREACHES)
def test_a_breach_of_the_protocol_ends_the_worker_and_is_said(
    house: House, caplog: pytest.LogCaptureFixture, which: str
) -> None:
    deed, words = BREACHES[which]
    before = install(house, attack=f"{deed}\nwait()")
    with undisturbed(house) as neighbour:
        with pytest.raises(WorkerEnded) as caught:
            house.call("attack")
        assert words in str(caught.value)
        assert len(str(caught.value)) < 1000
        assert_replaced(house, before, neighbour)
    assert "The worker of demo_plugin-1.0.0 was ended because it broke the protocol" in caplog.text


CLOSINGS = {
    "with a mute socket in its place": "replace_channel()",
    "in one direction": "socket.socket(fileno=os.dup(CHANNEL)).shutdown(socket.SHUT_WR)",
}


@pytest.mark.parametrize("which", CLOSINGS)
def test_a_worker_that_closes_its_channel_and_lives_on_is_ended(
    house: House, caplog: pytest.LogCaptureFixture, which: str
) -> None:
    before = install(house, attack=f"{CLOSINGS[which]}\nwait()")
    with undisturbed(house) as neighbour:
        with pytest.raises(WorkerEnded, match=r"was ended because it closed its channel\."):
            house.call("attack")
        assert_replaced(house, before, neighbour)
    assert "The worker of demo_plugin-1.0.0 was ended because it closed its channel." in caplog.text


BETWEEN_CALLS = {
    "closed": (CLOSINGS["with a mute socket in its place"], "it closed its channel"),
    # Its own next answer may fail first.
    "half closed": (CLOSINGS["in one direction"], "it closed its channel|ended by itself with exit code 1"),
    "a flood of replies": ("while pour(result(1)) is None: Path('done').touch()", "a second reply to request 1"),
    "a report": ("pour(report())", "it broke the protocol"),
    "noise": ("pour(os.urandom(100) + bytes([255] * 8))", "it broke the protocol"),
}


@pytest.mark.parametrize("which", BETWEEN_CALLS)
def test_what_a_worker_does_between_calls_is_noticed_by_the_next_one(
    house: House, caplog: pytest.LogCaptureFixture, which: str
) -> None:
    deed, words = BETWEEN_CALLS[which]
    before = install(house, later=deed)
    with undisturbed(house) as neighbour:
        house.call("prepare")
        tell(house)
        eventually((data_folder(house) / "done").exists)
        neighbour.await_progress()
        try:
            assert house.call("ping") != before  # nothing could be sent to the old one: the new one was asked
        except WorkerEnded as ended:
            assert re.search(words, str(ended))  # noqa: PT017  (either outcome will do)
        assert_replaced(house, before, neighbour)
    assert re.search(words, caplog.text)


# What keeps the server waiting


SILENCES = {
    "half a length": "pour(bytes(2))",
    "half a frame": "pour((1000).to_bytes(4, 'big') + b'{')",
    "all of a large frame but its end": "pour((10_000_000).to_bytes(4, 'big') + b' ' * 9_999_999)",
}


@pytest.mark.parametrize("which", SILENCES)
def test_half_a_frame_and_silence_cost_the_caller_its_deadline_and_no_one_else(impatient: House, which: str) -> None:
    before = install(impatient, attack=f"{SILENCES[which]}\nwait()")
    with undisturbed(impatient) as neighbour:
        with pytest.raises(CallTimedOut, match=r"demo_plugin\.attack did not answer within 3 s\."):
            impatient.call("attack")
        assert_replaced(impatient, before, neighbour)


DRIPS = {
    "byte by byte": "while True: pour(b' ')",
    "a few bytes at a time": "while True: pour(b' ' * 10)",
    "at a measured pace": """
        while True:
            pour(b' ')
            until = time.perf_counter() + 10e-6
            while time.perf_counter() < until: pass
    """,
}


@pytest.mark.parametrize("which", DRIPS)
def test_a_frame_that_drips_in_holds_no_one_past_the_deadline(impatient: House, which: str) -> None:
    before = install(impatient, attack=dripping(which))
    with undisturbed(impatient) as neighbour:
        with pytest.raises(CallTimedOut):
            impatient.call("attack")
        assert_replaced(impatient, before, neighbour)


@pytest.mark.parametrize("which", DRIPS)
def test_a_frame_that_drips_in_costs_the_server_a_small_share_of_a_processor(impatient: House, which: str) -> None:
    """Measured alone: whoever waits for the interpreter while others have it uses no processor."""
    install(impatient, attack=dripping(which))
    began, worked = time.monotonic(), time.thread_time()
    with pytest.raises(CallTimedOut):
        impatient.call("attack")
    assert (time.thread_time() - worked) / (time.monotonic() - began) < SHARE


def dripping(which: str) -> str:
    return f"pour((16_000_000).to_bytes(4, 'big'))\n{dedent(DRIPS[which]).strip()}"


def test_a_worker_that_does_not_read_holds_up_its_own_callers_only(impatient: House) -> None:
    """It never lets go of its interpreter, so that no thread of it can read."""
    before = install(impatient, attack="sum(range(10**15))")
    with undisturbed(impatient) as neighbour, threads(10) as start:
        calls = [start(impatient.call, "attack")]
        calls += [start(impatient.call, "measure", text="x" * 8_000_000) for _ in range(4)]
        calls += [start(impatient.call, "ping") for _ in range(5)]
        # Meanwhile workers come and go.
        impatient.install(with_ping(""), "another")
        assert impatient.call("ping", "another") == impatient.pid("another")
        outcomes = [call.exception() for call in calls]
        assert isinstance(outcomes[0], CallTimedOut | WorkerEnded)
        # Some pings may have been answered before; nobody waited for more than the own deadline, or another caller's.
        for outcome in filter(None, outcomes):
            assert re.search(r"did not answer within|it did not take its requests|is still starting", str(outcome))
        neighbour.await_progress()
        impatient.await_replacement(before)
        assert impatient.call("ping") != before
    impatient.await_only("demo_plugin", "neighbour", "another")


def test_replies_after_the_deadline_reach_no_one_and_a_flood_of_them_ends_with_the_worker(impatient: House) -> None:
    before = install(impatient, attack="await_file('now')\nwhile True: pour(result(own_id(), 'late'))")
    with undisturbed(impatient) as neighbour:
        with pytest.raises(CallTimedOut):
            impatient.call("attack")
        impatient.await_replacement(before)
        tell(impatient)
        for _ in range(20):
            assert impatient.call("measure", text="x" * 5) == 5
        assert_replaced(impatient, before, neighbour)


# What is well-formed and still not to be taken


EXCESSES = {
    "lists in lists": ("b'[' * 800 + b']' * 800", "nested more than 400 levels deep"),
    "objects in objects": ("""b'{"a":' * 800 + b'1' + b'}' * 800""", "nested more than 400 levels deep"),
    "a list of millions of lists": ("b'[' + b'[],' * 5_000_000 + b'[]]'", "more values than the 250000"),
    "a list of millions of objects": ("b'[' + b'{},' * 5_000_000 + b'{}]'", "more values than the 250000"),
    "an object of millions of keys": (
        """b'{' + b','.join(b'"%d":0' % n for n in range(1_000_000)) + b'}'""",
        "more values than the 250000",
    ),
    "a list of millions of texts": ("""b'[' + b'"",' * 5_000_000 + b'""]'""", "more values than the 250000"),
}


@pytest.mark.parametrize("which", EXCESSES)
def test_a_reply_that_would_be_dear_to_take_fails_its_call_and_no_other(house: House, which: str) -> None:
    value, words = EXCESSES[which]
    reply = f"""b'{{"type":"result","id":%d,"value":' % own_id() + {value} + b"}}" """
    before = install(house, attack=f"pour(framed({reply}))\nwait()")
    with undisturbed(house):
        with pytest.raises(CallFailed, match=words):
            house.call("attack")
        assert house.call("ping") == before


@pytest.mark.parametrize("text", ["',' * 5_000_000", "'[' * 5_000_000", r"'\\\\\"[,' * 1_000_000"])
def test_a_long_text_is_one_value_whatever_it_consists_of(house: House, text: str) -> None:
    install(house, attack=f"return {text}")
    assert house.call("attack") == eval(text)


def test_a_reply_to_another_call_reaches_that_plugins_caller_only_and_ends_the_worker_when_the_true_one_comes(
    house: House,
) -> None:
    before = install(house, attack="pour(result(own_id() - 1, 'forged'))\nreturn 'done'")
    with undisturbed(house) as neighbour, threads(1) as start:
        robbed = start(house.call, "patient")
        eventually(lambda: _in_flight(house) == 1)
        assert house.call("attack") == "done"
        assert robbed.result() == "forged"
        tell(house)
        with pytest.raises(WorkerEnded, match="a second reply to request"):
            _call_until_it_fails(house)
        assert_replaced(house, before, neighbour)


def _in_flight(house: House) -> int:
    """How many calls the worker of the plugin has been sent and not answered."""
    worker = house.live_set.places.slot("demo_plugin").worker
    assert worker is not None
    return len(worker._channel._pending)


def _call_until_it_fails(house: House) -> None:
    for _ in range(100_000):
        house.call("ping")


# The first message


def test_a_forged_report_brings_the_worker_down_when_the_true_one_comes(house: House) -> None:
    with undisturbed(house) as neighbour:
        house.install_files(attacker(at_import="pour(report(description='forged'))"))
        with pytest.raises(WorkerEnded, match=r"it broke the protocol: .*loaded"):
            house.call("ping")
        neighbour.await_progress()
        assert house.live().record.ref == PluginRef("demo_plugin", "1.0.0")


def test_a_forged_report_does_not_make_another_plugin_of_it(house: House) -> None:
    with undisturbed(house):
        with pytest.raises(ValidationFailed, match="under which the plugin neighbour is active already"):
            house.install_files(attacker(at_import="pour(report(name='neighbour'))"))
        house.await_only("neighbour")
    assert house.installed() == {PluginRef("neighbour", "1.0.0")}


NO_REPORTS = {
    "too large": ("pour(report(description='x' * 2_000_000))", r"describes itself in \d+ bytes; at most 1048576"),
    "too deep": (
        "deep = []\nfor _ in range(700): deep = [deep]\npour(report(llm_requirements={'deep': deep}))",
        "nested more than 400 levels deep",
    ),
    "too many values": ("pour(report(capabilities=[''] * 300_000))", r"describes itself in (more than 250000|\d+)"),
    "not UTF-8": ("pour(report(description='?').replace(b'?', bytes([255])))", "'utf-8' codec can't decode byte"),
    "a reply": ("pour(result(1))", "it broke the protocol"),
    "half a frame": ("pour(report()[:-1])\nos._exit(0)", "ended by itself with exit code 0"),
    "a frame too large": ("pour(bytes([255] * 4))\nwait()", "a message of 4294967295 bytes"),
    "the channel closed": ("replace_channel()\nwait()", "it closed its channel"),
}


@pytest.mark.parametrize("which", NO_REPORTS)
def test_a_first_message_that_cannot_be_taken_refuses_the_plugin_and_leaves_nothing(house: House, which: str) -> None:
    deed, words = NO_REPORTS[which]
    with undisturbed(house) as neighbour:
        with pytest.raises(ValidationFailed, match=words) as caught:
            house.install_files(attacker(at_import=deed))
        assert len(str(caught.value)) < 1000
        neighbour.await_progress()
        house.await_only("neighbour")
    assert house.installed() == {PluginRef("neighbour", "1.0.0")}


def test_a_plugin_whose_health_is_nested_too_deep_to_be_shown_is_refused_in_words(house: House) -> None:
    """Without an attack: it would be kept in the index, and every list would fail to show it."""
    body = """
        @staticmethod
        def health_check():
            details = []
            for _ in range(600):
                details = [details]
            return {"healthy": True, "details": details}
    """
    with pytest.raises(ValidationFailed, match="nested more than 400 levels deep"):
        house.install_files(attacker(plugin_body=body))
    assert house.installed() == set()


# Descriptors


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def refused_by_the_kernel() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            ours.setsockopt(socket.SOL_SOCKET, 83, 0)
        except OSError:
            pytest.skip("this kernel cannot refuse descriptors for a socket (SO_PASSRIGHTS, Linux 6.16)")


def test_no_descriptor_can_be_passed_through_the_channel(house: House, refused_by_the_kernel: None) -> None:
    """A socket that lingers would hold the thread of the server that lets go of it, for as long as the plugin likes."""
    before = install(
        house,
        attack="""
            channel = socket.socket(fileno=os.dup(CHANNEL))
            errors = set()
            for _ in range(1000):
                try:
                    socket.send_fds(channel, [b" "], [0] * 100)
                except OSError as error:
                    errors.add(error.errno)
                else:
                    errors.add(0)
            return sorted(errors)
        """,
    )
    with undisturbed(house):
        before_it = descriptors()
        assert house.call("attack") == [errno.EPERM]
        assert house.call("ping") == before
        assert descriptors() <= before_it


# The log


FLOODS = {
    "lines": 'b"x" * 99 + b"\\n"',
    "short lines": 'b"y\\n"',
    "empty lines": 'b"\\n"',
    "one line without end": 'b"x"',
    "no text": "bytes(range(128, 256))",
}
#: As much as the pipe takes at once, and as little.
SIZES = {"at once": 65536, "bit by bit": 1}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_log_costs_the_server_a_small_share_of_a_processor(house: House, flood: str, size: int) -> None:
    install(house, later=f"data = {flood}\ndata *= max(1, {size} // len(data))\nwhile True: pour(data, 1)")
    with undisturbed(house) as neighbour:
        house.call("prepare")
        tell(house)
        eventually(lambda: house.running.logs.tail("demo_plugin", 1))
        assert _share_of_the_log(house, neighbour) < SHARE
        assert house.call("ping") == house.pid()
    kept = house.running.logs.tail("demo_plugin", 10**6)
    assert sum(len(line.text.encode()) for line in kept) <= house.parts.settings.max_log_bytes
    assert _on_disk(house) <= house.parts.settings.max_log_bytes


def test_packets_of_a_byte_cost_no_more(house: House) -> None:
    """In packet mode (pipe(2), O_DIRECT) each read brings one byte, however much is in the pipe."""
    install(house, later='fcntl.fcntl(1, fcntl.F_SETFL, os.O_DIRECT)\nwhile True: pour(b"\\n", 1)')
    with undisturbed(house) as neighbour:
        house.call("prepare")
        tell(house)
        eventually(lambda: house.running.logs.tail("demo_plugin", 1))
        assert _share_of_the_log(house, neighbour) < SHARE


def _share_of_the_log(house: House, neighbour: Neighbour) -> float:
    """How much of a processor the threads take that read and write the logs, while the neighbour answers many calls.

    Of the two the one that takes more.
    """
    logs = house.running.logs
    assert logs._writer is not None
    threads = (logs._thread, logs._writer._thread)
    began, answers = time.monotonic(), neighbour.answers
    worked = [processor_seconds(thread) for thread in threads]
    eventually(lambda: neighbour.answers > answers + ANSWERS)
    took = time.monotonic() - began
    return max((processor_seconds(thread) - before) / took for thread, before in zip(threads, worked, strict=True))


def _on_disk(house: House) -> int:
    """What the log of the attacker takes there, as it stands between two writes."""
    with house.parts.log_files.lock(PATIENCE_SECONDS):
        folder = house.parts.settings.instance / "logs" / "demo_plugin"
        return sum(path.stat().st_size for path in folder.iterdir())


def test_what_a_flood_washed_away_is_told(house: House) -> None:
    install(house, attack='pour(b"word\\n" * 1_000_000, 1)')
    with undisturbed(house):
        house.call("attack")
        first, *kept = eventually(lambda: _settled(house, "word", 5_000_000))
    assert first == f"({5_000_000 - 5 * len(kept)} bytes before this are not kept)"
    assert set(kept) == {"word"}


def _settled(house: House, word: str, size: int) -> list[str]:
    """All that is kept, once it accounts for so many bytes."""
    first, *kept = [line.text for line in house.running.logs.tail("demo_plugin", 10**6)] or [""]
    lost = int(first[1:].split()[0]) if first.startswith("(") else 0
    return [first, *kept] if lost + (len(word) + 1) * len(kept) == size else []


def test_the_log_of_a_neighbour_is_read_in_the_midst_of_floods(house: House) -> None:
    for name in ("first", "second"):
        files = attacker(later='while True: pour(b"y\\n" * 32768, 1)')
        house.install_files({path: text.replace("demo_plugin", name) for path, text in files.items()}, name)
        house.call("prepare", name)
        (house.parts.settings.instance / "data" / name / "now").touch()
        eventually(lambda name=name: house.running.logs.tail(name, 1))  # type: ignore[misc]
    install(house, attack='print("a word")')
    house.call("attack")
    eventually(lambda: [line.text for line in house.running.logs.tail("demo_plugin")] == ["a word"])
