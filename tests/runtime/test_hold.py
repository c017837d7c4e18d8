"""A worker that is held goes on for whoever holds it while another version takes its place, and for nothing else."""

import os
import signal
import threading
from collections.abc import Iterator

import psutil
import pytest

from cadence.errors import CallFailed, NotFound, PluginUnavailable, ToolRaised
from cadence.grants import parse_grants
from cadence.history import Reason
from cadence.model import PluginRef
from cadence.parts import Parts
from cadence.runtime.hold import Hold
from tests.building import plugin_files
from tests.runtime.house import PATIENCE_SECONDS, House, eventually, with_ping

WHICH = """
@tool
def which() -> str:
    "Which version this is."
    return "VERSION"
"""


def tools(version: str) -> str:
    return with_ping(WHICH.replace("VERSION", version), "which")


def held(house: House) -> Hold:
    hold = house.live_set.hold("demo_plugin")
    assert hold is not None
    return hold


@pytest.fixture
def house(parts: Parts) -> House:
    house = House(parts)
    house.install(tools("old"))
    return house


@pytest.fixture
def hold(house: House) -> Iterator[Hold]:
    with held(house) as hold:
        yield hold


def answer(hold: Hold) -> tuple[str, str]:
    result = hold.call("which", {})
    return result.result, result.plugin_version


def upgrade(house: House) -> None:
    house.install(tools("new"), version="1.1.0")
    assert house.call("which") == "new"


def test_a_held_version_answers_while_another_takes_its_place_and_ends_when_it_is_let_go(
    house: House, hold: Hold
) -> None:
    upgrade(house)
    assert answer(hold) == ("old", "1.0.0")
    assert hold.version == "1.0.0"
    assert len(house.workers()) == 2
    hold.close()
    hold.close()
    eventually(lambda: len(house.workers()) == 1)


def test_a_version_that_is_held_twice_ends_with_the_second(house: House, hold: Hold) -> None:
    with held(house) as other:
        upgrade(house)
        hold.close()
        assert answer(other) == ("old", "1.0.0")
    eventually(lambda: len(house.workers()) == 1)


def test_a_call_that_runs_when_it_is_let_go_is_answered(house: House) -> None:
    house.install(
        with_ping('import time\n@tool\ndef wait() -> int:\n    "W"\n    time.sleep(0.2)\n    return 1\n', "wait")
    )
    hold = held(house)
    results: list[object] = []
    caller = threading.Thread(target=lambda: results.append(hold.call("wait", {}).result))
    caller.start()
    house.install(tools("new"), version="1.1.0")
    hold.close()
    caller.join()
    assert results == [1]
    eventually(lambda: len(house.workers()) == 1)


def test_where_the_held_worker_has_ended_the_version_that_answers_now_does(house: House, hold: Hold) -> None:
    upgrade(house)
    (old,) = house.workers() - {house.pid()}
    os.kill(old, signal.SIGKILL)
    assert hold._worker.ended.wait(PATIENCE_SECONDS)  # a call that is under way by then is one inside it
    assert answer(hold) == ("new", "1.1.0")


def test_a_held_version_is_not_asked_once_its_plugin_is_disabled(house: House, hold: Hold) -> None:
    house.running.switcher.disable("demo_plugin")
    with pytest.raises((PluginUnavailable, NotFound)):
        answer(hold)
    eventually(lambda: not house.workers())


def test_a_held_version_that_was_replaced_is_not_asked_once_its_plugin_is_deleted(house: House, hold: Hold) -> None:
    upgrade(house)
    for version in ("1.0.0", "1.1.0"):
        house.running.remover.delete(PluginRef("demo_plugin", version))
    with pytest.raises(NotFound):
        answer(hold)
    eventually(lambda: not house.workers())


def test_a_held_version_does_not_keep_what_was_withdrawn(house: House, hold: Hold) -> None:
    """Neither the worker that answers, nor one that was replaced."""
    house.running.granter.grant("demo_plugin", lambda _: {"env": {"TOKEN": "secret"}})
    with held(house) as granted:
        upgrade(house)
        old = house.workers() - {house.pid()}
        assert len(old) == 1
        house.running.granter.grant("demo_plugin", lambda _: {})
        eventually(lambda: not old & house.workers())
        assert answer(granted) == ("new", "1.1.0")


def test_what_another_server_withdraws_holds_for_what_is_held_though_the_plugin_sleeps(
    house: House, hold: Hold
) -> None:
    index = house.parts.index
    house.running.granter.grant("demo_plugin", lambda _: {"env": {"TOKEN": "secret"}})
    with held(house) as granted:
        upgrade(house)
        (old,) = house.workers() - {house.pid()}
        assert house.live_set.sleep("demo_plugin")
        index.put_grants("demo_plugin", parse_grants({}, index.granted("demo_plugin").grants))
        house.running.reconciler.catch_up()
        assert answer(granted) == ("new", "1.1.0")
        eventually(lambda: old not in house.workers())


def test_what_another_server_withdraws_holds_where_it_also_put_another_version_in_its_place(
    house: House, hold: Hold
) -> None:
    """Both at once, as they come to a server that looks after both were done."""
    index = house.parts.index
    upgrade(house)
    house.running.granter.grant("demo_plugin", lambda _: {"env": {"TOKEN": "secret"}})
    with held(house) as granted:
        index.activate("demo_plugin", "1.0.0")
        index.put_grants("demo_plugin", parse_grants({}, index.granted("demo_plugin").grants))
        house.running.reconciler.catch_up()
        assert answer(granted) == ("old", "1.0.0")


def test_a_held_version_is_not_asked_once_another_server_took_it_back(house: House, hold: Hold) -> None:
    upgrade(house)
    bad = house.live().record
    with held(house) as newest:
        house.parts.index.take_back(bad.ref, bad.install_id, Reason("crashes", "It crashed."))
        house.running.reconciler.catch_up()
        assert answer(newest) == ("old", "1.0.0")


#: Fails its checks once there is a file, and answers all the same.
UNWELL = """
@staticmethod
def health_check() -> dict:
    from pathlib import Path
    return {"healthy": not Path("ill").exists(), "details": "ill"}
"""


def test_a_held_version_is_not_asked_once_it_was_taken_back(parts: Parts) -> None:
    """Its process is well enough to go on."""
    house = House(parts)
    house.install(tools("old"))
    house.install(tools("bad"), version="1.1.0", plugin_body=UNWELL)
    with held(house) as hold:
        assert answer(hold) == ("bad", "1.1.0")
        (house.meeting_place() / "ill").touch()
        for _ in range(parts.settings.health_failures):
            house.live_set.check_health("demo_plugin")
        eventually(lambda: house.live().record.ref.version == "1.0.0")
        assert answer(hold) == ("old", "1.0.0")


def test_holding_keeps_no_plugin_awake(house: House, hold: Hold) -> None:
    assert house.live_set.sleep("demo_plugin")
    eventually(lambda: not house.workers())
    assert answer(hold) == ("old", "1.0.0")


def test_a_plugin_that_sleeps_is_held_only_if_it_may_be_woken(house: House) -> None:
    house.live_set.sleep("demo_plugin")
    assert house.live_set.hold("demo_plugin", wake=False) is None
    with held(house) as hold:
        assert answer(hold) == ("old", "1.0.0")


def test_what_is_not_installed_cannot_be_held(house: House) -> None:
    with pytest.raises(NotFound):
        house.live_set.hold("nobody", wake=False)


def test_a_hold_has_an_end(house: House, hold: Hold) -> None:
    house.live_set._keeper._hold_seconds = 0.05
    upgrade(house)
    eventually(lambda: len(house.workers()) == 1)
    assert answer(hold) == ("new", "1.1.0")


def test_closing_ends_what_is_held(house: House, hold: Hold, parts: Parts) -> None:
    upgrade(house)
    workers = house.workers()
    assert len(workers) == 2
    parts.close()
    assert not [pid for pid in workers if psutil.pid_exists(pid)]
    hold.close()


PROMPTS = {
    "number": "return 5",
    "none": "return None",
    "raises": "raise RuntimeError('no prompt today')",
    "exits": "raise SystemExit(3)",
    "huge": "return 'x' * 200_000",
}


def agent(body: str = "return 'You help.'", more: str = "") -> dict[str, str]:
    """A plugin whose prompt is fine at its trial, and afterwards as in ``body``."""
    files = plugin_files(tools=tools("old"))
    name = next(line.split("class ")[1].split("(")[0] for line in files["agent.py"].splitlines() if "class " in line)
    files["agent.py"] += f"""

_asked = []

def _prompt(self):
    _asked.append(1)
    if len(_asked) == 1:
        return "At the trial."
    {body}

{name}.get_system_prompt = _prompt
{more.replace("AGENT", name)}
"""
    return files


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("number", "get_system_prompt"),
        ("none", "get_system_prompt"),
        ("raises", "RuntimeError: no prompt today"),
        ("exits", "SystemExit"),
        ("huge", "has 200000 characters; at most 100000"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_told_and_harms_nothing(parts: Parts, kind: str, words: str) -> None:
    house = House(parts)
    house.install_files(agent(PROMPTS[kind]))
    with held(house) as hold:
        with pytest.raises(CallFailed, match=words):
            hold.prompt()
        assert answer(hold) == ("old", "1.0.0")


def test_a_prompt_is_as_it_is_at_the_moment(parts: Parts) -> None:
    house = House(parts)
    house.install_files(agent("return f'Asked {len(_asked)} times.'"))
    with held(house) as hold:
        assert [hold.prompt(), hold.prompt()] == ["Asked 2 times.", "Asked 3 times."]
        assert not hold.report.routes


ROUTING = """
def _route(state):
    {body}

AGENT.should_continue = staticmethod(_route)
"""
AI = {"type": "ai", "data": {"content": "Hello", "tool_calls": []}}


def routed(parts: Parts, body: str) -> Hold:
    house = House(parts)
    house.install_files(agent(more=ROUTING.format(body=body)))
    return held(house)


def test_an_agent_decides_by_the_messages_of_the_conversation(parts: Parts) -> None:
    body = "return 'continue' if state['messages'][-1].text == 'More' else 'back'"
    with routed(parts, body) as hold:
        assert hold.report.routes
        assert hold.route([{"type": "human", "data": {"content": "Hi"}}, AI]) == "back"
        assert hold.route([{"type": "ai", "data": {"content": "More"}}]) == "continue"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 'elsewhere'", "must return 'continue' or 'back', not 'elsewhere'"),
        ("return None", "not NoneType"),
        ("return ['back']", "not list"),
        ("raise ValueError('lost')", "ValueError: lost"),
        ("return object()", "not object"),
    ],
)
def test_a_decision_that_is_none_is_told(parts: Parts, body: str, words: str) -> None:
    with routed(parts, body) as hold:
        with pytest.raises(ToolRaised, match=words):
            hold.route([AI])
        assert answer(hold) == ("old", "1.0.0")
        assert any("should_continue" in warning for warning in hold.report.warnings)


def test_an_agent_that_ends_its_process_instead_of_deciding_is_told_and_started_again(parts: Parts) -> None:
    body = "import os; os._exit(3) if state['messages'][-1].text == 'End' else None; return 'back'"
    with routed(parts, body) as hold:
        with pytest.raises(CallFailed, match="exit code 3"):
            hold.route([{"type": "ai", "data": {"content": "End"}}])
        assert answer(hold) == ("old", "1.0.0")
