"""Deadlines: they are kept whatever the worker does, and only the call that missed its own is lost."""

import os
import signal
import time
from pathlib import Path

import pytest

from cadence.errors import CallTimedOut, WorkerEnded
from tests.runtime.house import House, eventually, threads, with_ping

WAITING = """
    import json, time
    from pathlib import Path

    @tool
    def hang() -> None:
        "Never answer."
        time.sleep(1000)

    @tool
    async def hang_async() -> None:
        "Never answer, without a thread."
        import asyncio
        await asyncio.sleep(1000)

    @tool
    def wait_for(path: str) -> int:
        "Answer once there is such a file."
        Path(path + ".began").touch()
        while not Path(path).exists():
            time.sleep(0.01)
        return ping.func()
"""
TOOLS = with_ping(WAITING, "hang", "hang_async", "wait_for")


@pytest.mark.parametrize("tool", ["hang", "hang_async"])
def test_a_call_past_its_deadline_is_told_so_and_the_worker_is_replaced(impatient: House, tool: str) -> None:
    impatient.install(TOOLS)
    before = impatient.pid()
    with pytest.raises(CallTimedOut, match=rf"demo_plugin\.{tool} did not answer within 2 s\."):
        impatient.call(tool)
    assert impatient.await_replacement(before) != before
    assert impatient.call("ping") != before
    impatient.await_only("demo_plugin")


def test_a_call_within_its_deadline_is_answered_by_the_worker_that_another_call_hangs_in(
    impatient: House,
) -> None:
    impatient.install(TOOLS)
    before = impatient.pid()
    release = impatient.meeting_place() / "release"
    with threads(2) as start:
        hanging = start(impatient.call, "hang")
        time.sleep(1)  # half of its deadline, which is what passes here
        patient = start(impatient.call, "wait_for", path=str(release))
        eventually(Path(f"{release}.began").exists)
        assert isinstance(hanging.exception(), CallTimedOut)
        impatient.await_replacement(before)
        release.touch()
        assert patient.result() == before
    impatient.await_only("demo_plugin")


def test_many_calls_that_hang_at_once_cost_one_replacement(impatient: House) -> None:
    impatient.install(TOOLS)
    before = impatient.pid()
    with threads(8) as start:
        hanging = [start(impatient.call, "hang") for _ in range(8)]
        assert {type(call.exception()) for call in hanging} == {CallTimedOut}
    after = impatient.await_replacement(before)
    impatient.await_only("demo_plugin")
    assert impatient.pid() == after


def test_a_replacement_that_failed_is_tried_again_at_the_next_missed_deadline(impatient: House) -> None:
    impatient.install(f"import pathlib\nassert not pathlib.Path('broken').exists()\n{TOOLS}")
    broken = impatient.meeting_place() / "broken"
    before = impatient.pid()
    broken.touch()
    with pytest.raises(CallTimedOut):
        impatient.call("hang")
    eventually(lambda: impatient.live().error)
    assert impatient.call("ping") == before
    broken.unlink()
    with pytest.raises(CallTimedOut):
        impatient.call("hang")
    impatient.await_replacement(before)


STREAMS = {
    "its answer, byte by byte": """
        body = json.dumps({"type": "result", "id": 2, "value": "late"}).encode().ljust(5000)
        for byte in len(body).to_bytes(4, "big") + body:
            os.write(3, bytes([byte]))
            time.sleep(0.001)
    """,
    "its answer, hidden in blanks": """
        body = json.dumps({"type": "result", "id": 2, "value": "late"}).encode().ljust(10_000_000)
        body = len(body).to_bytes(4, "big") + body
        for start in range(0, len(body), 1000):
            os.write(3, body[start : start + 1000])
            time.sleep(0.0005)
    """,
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_worker_that_keeps_on_sending_cannot_hold_a_call_past_its_deadline(impatient: House, stream: str) -> None:
    """Both would bring an answer in the end; it must not be waited for."""
    impatient.install(
        with_ping(
            f"""
    import json, time

    @tool
    def stream() -> str:
        "Keep the server reading."
        {stream.strip()}
            """,
            "stream",
        )
    )
    before = impatient.call("ping")
    with pytest.raises(CallTimedOut):
        impatient.call("stream")
    impatient.await_replacement(before)
    impatient.await_only("demo_plugin")


def test_a_plugin_that_was_killed_while_it_answered_many_fails_them_all_at_once(house: House) -> None:
    house.install(TOOLS)
    paths = [house.meeting_place() / str(number) for number in range(4)]
    with threads(4) as start:
        calls = [start(house.call, "wait_for", path=str(path)) for path in paths]
        eventually(lambda: all(Path(f"{path}.began").exists() for path in paths))
        os.kill(house.pid() or 0, signal.SIGKILL)
        for call in calls:
            assert isinstance(call.exception(), WorkerEnded)
            assert "was ended by signal 9 (SIGKILL)" in str(call.exception())
    assert house.call("ping") == house.pid()
