"""Agents that answer a conversation's questions with harm: what they cost is their own worker, and is told in words."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cadence.config import Settings
from cadence.errors import CallFailed, CallTimedOut, ToolRaised, WorkerEnded
from cadence.parts import Parts
from cadence.runtime.hold import Hold
from cadence.runtime.zygote import Zygote
from tests.attacks.channel_plugins import WEAPONS
from tests.building import plugin_files
from tests.runtime.house import House, with_ping

AI = {"type": "ai", "data": {"content": "Hello", "tool_calls": []}}

AGENT = """
@property
def _asked(self):
    self.__dict__["count"] = self.__dict__.get("count", 0) + 1
    return self.__dict__["count"]

def get_system_prompt(self):
    from .tools import {names}
    if self._asked == 1:
        return "At the trial."
    {deed}
"""

ROUTER = """
{decorator}
def should_continue({first}state):
    from .tools import {names}
    if "Hello" not in str(state):
        return "back"
    {deed}
"""

ARMS = "os, threading, pour, message, own_id, wait"


@pytest.fixture
def house(settings: Settings, zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """One whose deadlines come, and which waits for nobody at its end."""
    monkeypatch.setattr("cadence.runtime.live_set._CLOSE_SECONDS", 0.0)
    parts = Parts(replace(settings, call_seconds=3.0), zygote)
    yield House(parts)
    parts.close()


def prompting(house: House, deed: str, version: str = "1.0.0") -> Hold:
    return _holding(house, AGENT.format(names=ARMS, deed=deed), version)


def routing(house: House, deed: str, *, static: bool = True) -> Hold:
    decorator, first = ("@staticmethod", "") if static else ("", "self, ")
    return _holding(house, ROUTER.format(names=ARMS, deed=deed, decorator=decorator, first=first), "1.0.0")


def _holding(house: House, agent_body: str, version: str) -> Hold:
    tools = f"{WEAPONS}\n{with_ping('')}"
    house.install_files(plugin_files(version=version, tools=tools, agent_body=agent_body), version=version)
    hold = house.live_set.hold("demo_plugin")
    assert hold is not None
    return hold


PROMPTS = {
    "bytes": ("return b'You help.'", "get_system_prompt"),
    "text that is no Unicode": (r"return 'You help \ud800'", "prompt"),
    "more than a message holds": ("return 'x' * 17_000_000", "bytes; at most"),
    "an exit": ("raise SystemExit('over')", "SystemExit: over"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
}


@pytest.mark.parametrize("which", PROMPTS)
def test_a_prompt_that_is_none_costs_its_question_and_not_its_worker(house: House, which: str) -> None:
    deed, words = PROMPTS[which]
    with prompting(house, deed) as hold:
        before = house.pid()
        with pytest.raises(CallFailed, match=words) as caught:
            hold.prompt()
        assert not isinstance(caught.value, WorkerEnded)
        assert len(str(caught.value)) < 5000
        assert house.call("ping") == house.pid() == before


def test_a_prompt_of_a_kind_of_text_of_its_own_is_taken_as_plain_text(house: House) -> None:
    with prompting(house, "return type('T', (str,), {'__str__': lambda self: self})('You help.')") as hold:
        assert hold.prompt() == "You help."


def test_a_prompt_that_never_comes_costs_its_deadline_and_another_worker_answers(house: House) -> None:
    with prompting(house, "wait()") as hold:
        before = house.pid()
        with pytest.raises(CallTimedOut, match="system prompt of demo_plugin did not answer within 3 s"):
            hold.prompt()
        after = house.await_replacement(before)
        assert hold.call("ping", {}).result == after


def test_a_prompt_that_never_comes_from_a_version_that_was_replaced_ends_it(house: House) -> None:
    with prompting(house, "wait()") as hold:
        house.install(with_ping(""), version="1.1.0")
        with pytest.raises(CallTimedOut):
            hold.prompt()
        assert hold.call("ping", {}).plugin_version == "1.1.0"
        assert hold.prompt() == "You are a demo."
        house.await_only("demo_plugin")


def test_tools_answer_beside_a_prompt_that_takes_its_time(house: House) -> None:
    deed = "from pathlib import Path; from .tools import await_file; await_file('now'); return 'Late.'"
    with prompting(house, deed) as hold, ThreadPoolExecutor(1) as pool:
        late = pool.submit(hold.prompt)
        assert hold.call("ping", {}).result == house.pid()
        (house.meeting_place() / "now").touch()
        assert late.result() == "Late."


DECISIONS = {
    "text that equals everything": (
        "return type('T', (str,), {'__eq__': lambda *_: True, '__hash__': str.__hash__})('elsewhere')",
        None,
    ),
    "text that is no Unicode": (r"return '\ud800'", "must return 'continue' or 'back'"),
    "text without an end": ("return 'x' * 20_000_000", "must return 'continue' or 'back'"),
    "a truth": ("return True", "not bool"),
    "an object that equals everything": ("return type('T', (), {'__eq__': lambda *_: True})()", "not T"),
    "an exit": ("raise SystemExit('over')", "SystemExit: over"),
}


@pytest.mark.parametrize("which", DECISIONS)
def test_a_decision_that_is_none_costs_its_question_and_not_its_worker(house: House, which: str) -> None:
    deed, words = DECISIONS[which]
    with routing(house, deed) as hold:
        before = house.pid()
        if words is None:
            assert hold.route([AI]) in ("continue", "back")
        else:
            with pytest.raises(ToolRaised, match=words) as caught:
                hold.route([AI])
            assert len(str(caught.value)) < 5000
        assert house.call("ping") == house.pid() == before


def test_an_agent_decides_as_itself_where_it_is_no_static_method(house: House) -> None:
    with routing(house, "return 'continue' if self.metadata.name == 'demo_plugin' else 'back'", static=False) as hold:
        assert hold.report.routes
        assert hold.route([AI]) == "continue"


def test_a_decision_that_has_to_be_awaited_is_refused_in_words(house: House) -> None:
    body = '@staticmethod\nasync def should_continue(state):\n    return "back"\n'
    with _holding(house, body, "1.0.0") as hold:
        with pytest.raises(ToolRaised, match="should_continue\\(\\) must not be async"):
            hold.route([AI])
        assert any("must not be async" in warning for warning in hold.report.warnings)


def test_a_decision_that_never_comes_costs_its_deadline_and_another_worker_answers(house: House) -> None:
    with routing(house, "wait()") as hold:
        before = house.pid()
        with pytest.raises(CallTimedOut, match="routing of demo_plugin did not answer within 3 s"):
            hold.route([AI])
        after = house.await_replacement(before)
        assert hold.call("ping", {}).result == after


FORGED = {
    "a result": "message(type='result', id=own_id(), value='You help.')",
    "a report of health": "message(type='healthy', id=own_id(), report={'healthy': True})",
    "the answer to the other question": "message(type=KIND, id=own_id(), prompt='x', decision='back')",
}


@pytest.mark.parametrize("which", FORGED)
def test_a_reply_of_another_kind_ends_the_worker_and_is_said(house: House, which: str) -> None:
    deeds = [f"pour({FORGED[which].replace('KIND', repr(kind))}); wait()" for kind in ("routed", "prompted")]
    with prompting(house, deeds[0]) as hold:
        before = house.pid()
        with pytest.raises(WorkerEnded, match="a reply of another kind"):
            hold.prompt()
        after = house.await_replacement(before)
        assert hold.call("ping", {}).result == after
    with routing(house, deeds[1]) as hold, pytest.raises(WorkerEnded, match="a reply of another kind"):
        hold.route([AI])


def test_a_decision_that_there_is_none_of_breaks_the_protocol(house: House) -> None:
    deed = "pour(message(type='routed', id=own_id(), decision='elsewhere')); wait()"
    with routing(house, deed) as hold, pytest.raises(WorkerEnded, match="broke the protocol"):
        hold.route([AI])
