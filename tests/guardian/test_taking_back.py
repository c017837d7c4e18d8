"""Bad versions take themselves back: the one before answers again, once, for a reason that is told."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from cadence.config import Settings
from cadence.errors import CadenceError, NotFound, PluginUnavailable, ValidationFailed
from cadence.history import ActivationCause, EventKind
from cadence.model import PluginRef
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.guardian.conftest import Strict
from tests.runtime.house import House, eventually, threads, with_ping

NAME = "demo_plugin"
GOOD, BAD = "1.0.0", "2.0.0"


def answering(version: str, body: str = "pass") -> str:
    """Tools whose ``answer`` first does what stands in ``body``; ``calls`` counts them in each worker."""
    return with_ping(
        f"""
import ctypes, time
from pathlib import Path
calls = 0
hoard = []

@tool
def answer() -> str:
    "Which version this is."
    global calls
    calls += 1
    {body}
    return {version!r}
""",
        "answer",
    )


CRASH_AT_ONCE = "ctypes.string_at(0)"
CRASH_AT_THE_TENTH = "calls == 10 and ctypes.string_at(0)"
LEAK = "hoard.append(bytearray(b'x') * 2**24)"
UNWELL_LATER = """
@staticmethod
def health_check() -> dict:
    from pathlib import Path
    return {"healthy": not Path("ill").exists(), "details": "the unit is gone"}
"""
SLOWER_AND_SLOWER = "time.sleep(0.05 * 2 ** calls)"


def active(house: House) -> str | None:
    record = house.parts.index.active().get(NAME)
    return record.ref.version if record else None


def quarantined(house: House, version: str = BAD) -> str | None:
    record = house.parts.index.version(PluginRef(NAME, version))
    assert record is not None
    return record.quarantine


def automatic(house: House) -> list[str]:
    """The words of every automatic rollback."""
    history = house.parts.index.activations(NAME)
    return [one.words for one in history if one.cause is ActivationCause.AUTOMATIC_ROLLBACK]


class Caller:
    """Calls ``answer`` until the good version answers again."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.failures: list[CadenceError] = []

    def run_until_good(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                if self._house.call("answer") == GOOD:
                    return
            except CadenceError as error:
                self.failures.append(error)


@contextmanager
def callers(house: House, count: int) -> Iterator[list[Caller]]:
    """Several at once; the block ends with them."""
    over, made = threading.Event(), [Caller(house) for _ in range(count)]
    with threads(count) as start:
        running = [start(caller.run_until_good, over) for caller in made]
        try:
            yield made
            for one in running:
                one.result(60)
        finally:
            over.set()


@pytest.mark.parametrize(
    ("body", "code", "settings_of"),
    [
        pytest.param(CRASH_AT_ONCE, "signal 11", {}, id="crashes at the first call"),
        pytest.param(CRASH_AT_THE_TENTH, "signal 11", {}, id="crashes at the tenth call"),
        pytest.param(LEAK, "memory limit of 96 MiB reached", {"plugin_memory_mb": 96}, id="leaks memory"),
        pytest.param(SLOWER_AND_SLOWER, "did not answer within 0.5 s", {"call_seconds": 0.5}, id="answers ever later"),
    ],
)
def test_an_upgrade_that_fails_in_use_is_taken_back_and_only_calls_inside_it_fail(
    body: str, code: str, settings_of: dict[str, float], strict: Strict
) -> None:
    house = strict(**settings_of)
    house.install(answering(GOOD))
    assert house.call("answer") == GOOD
    house.install(answering(BAD, body), version=BAD)
    with callers(house, 3) as made:
        pass
    assert house.call("answer") == GOOD
    assert (active(house), house.live().record.ref.version) == (GOOD, GOOD)
    failures = [failure for caller in made for failure in caller.failures]
    assert failures
    for failure in failures:
        assert failure.ref == PluginRef(NAME, BAD), failure
        assert not isinstance(failure, PluginUnavailable), failure
    (words,) = automatic(house)
    assert code in words
    assert code in (quarantined(house) or "")


def test_an_upgrade_that_fails_its_trial_never_answers(strict: Strict) -> None:
    house = strict()
    house.install(answering(GOOD))
    with pytest.raises(ValidationFailed):
        house.install("raise ValueError('not today')", version=BAD)
    assert house.call("answer") == GOOD
    assert automatic(house) == []
    assert house.parts.index.version(PluginRef(NAME, BAD)) is None


def test_an_upgrade_that_turns_unhealthy_later_is_taken_back_while_nobody_calls(strict: Strict) -> None:
    house = strict(health_interval_seconds=0.05)
    house.install(answering(GOOD))
    house.install(answering(BAD), version=BAD, plugin_body=UNWELL_LATER)
    eventually(lambda: len(house.parts.index.checks(NAME)) > 3)
    assert active(house) == BAD
    (house.meeting_place() / "ill").touch()
    eventually(lambda: active(house) == GOOD)
    assert house.call("answer") == GOOD
    (words,) = automatic(house)
    assert words.startswith("3 health checks in a row failed while it was new; the last one: ")
    assert "the unit is gone" in words
    assert [check.healthy for check in house.parts.index.checks(NAME)[:3]] == [False] * 3


def test_a_version_that_does_not_even_start_any_more_is_taken_back(strict: Strict) -> None:
    house = strict()
    house.install(answering(GOOD))
    house.install(answering(BAD), version=BAD)
    assert house.live_set.sleep(NAME)
    tools = house.parts.store.folder(PluginRef(NAME, BAD)) / "tools.py"
    tools.unlink()
    tools.write_text("raise ValueError('worn out')")
    assert eventually(lambda: _answer(house)) == GOOD
    (words,) = automatic(house)
    assert "worn out" in words


def _answer(house: House) -> str | None:
    try:
        answer = house.call("answer")
    except CadenceError:
        return None
    assert isinstance(answer, str)
    return answer


def crash(house: House) -> CadenceError:
    """Call once, in vain."""
    with pytest.raises(CadenceError) as caught:
        house.call("answer")
    return caught.value


def wear_out(house: House, times: int = 3) -> None:
    for _ in range(times):
        crash(house)


def test_the_taking_back_goes_through_versions_until_a_good_one_is_found(strict: Strict) -> None:
    house = strict(probation_crashes=1)
    house.install(answering("0.9.0"), version="0.9.0")
    house.install(answering(GOOD, CRASH_AT_ONCE))
    house.install(answering(BAD, CRASH_AT_ONCE), version=BAD)
    crash(house)
    eventually(lambda: active(house) == GOOD)
    crash(house)
    eventually(lambda: active(house) == "0.9.0")
    assert house.call("answer") == "0.9.0"
    assert quarantined(house, GOOD)
    assert quarantined(house, BAD)


def test_without_a_version_before_it_is_taken_out_and_callers_are_told_why(strict: Strict) -> None:
    house = strict(probation_crashes=1)
    house.install(answering(GOOD, CRASH_AT_ONCE))
    crash(house)
    eventually(lambda: active(house) is None)
    refusal = eventually(lambda: isinstance(one := crash(house), PluginUnavailable) and one)
    assert isinstance(refusal, PluginUnavailable)
    assert "demo_plugin 1.0.0 was taken back: " in refusal.in_words
    assert "signal 11" in refusal.in_words
    eventually(lambda: not house.workers())


def test_a_pinned_version_is_started_again_and_never_taken_back(strict: Strict) -> None:
    house = strict(probation_crashes=2)
    house.install(answering(GOOD))
    house.install(answering(BAD, CRASH_AT_THE_TENTH), version=BAD)
    house.running.switcher.pin(NAME)
    for _ in range(3):
        for _ in range(9):
            eventually(lambda: _answer(house) == BAD)
        eventually(lambda: _answer(house) is None)
    assert active(house) == BAD
    assert automatic(house) == []
    assert eventually(lambda: _answer(house)) == BAD


def test_a_version_that_has_proved_itself_is_not_taken_back(strict: Strict) -> None:
    house = strict(probation_crashes=1, probation_seconds=0.01)
    house.install(answering(GOOD))
    house.install(answering(BAD, CRASH_AT_ONCE), version=BAD)
    eventually(lambda: not house.live().is_new)
    crash(house)
    pid = eventually(house.pid)
    assert pid
    assert active(house) == BAD
    assert house.live().restarts == 1


def test_an_operator_can_overrule_and_the_version_is_new_again(strict: Strict) -> None:
    house = strict(probation_crashes=1)
    house.install(answering(GOOD))
    house.install(answering(BAD, CRASH_AT_ONCE), version=BAD)
    crash(house)
    eventually(lambda: active(house) == GOOD)
    house.running.switcher.activate(NAME, BAD)
    assert active(house) == BAD
    assert quarantined(house) is None
    assert house.live().is_new
    crash(house)
    eventually(lambda: active(house) == GOOD)
    assert len(automatic(house)) == 2


def test_two_servers_take_it_back_once(settings: Settings, zygote: Zygote, strict: Strict) -> None:
    one = strict(probation_crashes=1)
    one.install(answering(GOOD))
    one.install(answering(BAD, CRASH_AT_ONCE), version=BAD)
    other_parts = Parts(replace(settings, instance=one.parts.settings.instance, probation_crashes=1), zygote)
    try:
        other_parts.start(serve=True)
        other = House(other_parts)
        eventually(lambda: other.live_set.plugin(NAME))
        with threads(2) as start:
            for call in [start(crash, house) for house in (one, other)]:
                call.result(30)
        eventually(lambda: one.call("answer") == GOOD and other.call("answer") == GOOD)
        assert len(automatic(one)) == 1
    finally:
        other_parts.close()


def test_what_happened_can_be_read_in_order(strict: Strict) -> None:
    house = strict(probation_crashes=2)
    house.install(answering(GOOD))
    house.install(answering(BAD, CRASH_AT_ONCE), version=BAD)
    crash(house)
    crash(house)
    eventually(lambda: active(house) == GOOD)

    def kinds() -> list[tuple[str | None, EventKind]]:
        return [(event.version, event.kind) for event in reversed(house.parts.index.events(NAME))]

    eventually(lambda: kinds().count((BAD, EventKind.CRASHED)) == 2)
    assert (BAD, EventKind.QUARANTINED) in kinds()
    assert [one.version for one in reversed(house.parts.index.activations(NAME))] == [GOOD, BAD, GOOD]


def test_a_zygote_that_dies_is_held_against_no_version(settings: Settings) -> None:
    parts = Parts(replace(settings, probation_crashes=1))
    try:
        house = House(parts)
        house.install(answering(GOOD))
        house.install(answering(BAD), version=BAD)
        before = house.pid()
        zygote = house.running.zygote.pid
        assert zygote
        os.kill(zygote, signal.SIGKILL)
        house.await_replacement(before)
        assert house.call("answer") == BAD
        assert quarantined(house) is None
    finally:
        parts.close()


def test_a_plugin_that_is_not_there_is_not_found(strict: Strict) -> None:
    with pytest.raises(NotFound, match="No plugin 'stranger' is installed"):
        strict().call("answer", "stranger")


def test_a_version_in_the_place_of_a_deleted_one_that_does_not_start_is_taken_back_too(strict: Strict) -> None:
    house = strict()
    house.install(answering("0.9.0"), version="0.9.0")
    house.install(answering(GOOD))
    house.install(answering(BAD), version=BAD)
    tools = house.parts.store.folder(PluginRef(NAME, GOOD)) / "tools.py"
    tools.unlink()
    tools.write_text("raise ValueError('moth-eaten')")
    assert house.running.remover.delete(PluginRef(NAME, BAD)) == GOOD
    assert eventually(lambda: _answer(house)) == "0.9.0"
    assert "moth-eaten" in (quarantined(house, GOOD) or "")
