"""Examples of tools are tried at the trial of a version and on demand, and no example can do more than fail."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cadence.config import Settings
from cadence.errors import CallTimedOut, LimitReached, ValidationFailed, WorkerEnded
from cadence.model import ExampleResult, Fault, PluginRef
from cadence.parts import Parts
from cadence.runtime import launcher
from cadence.runtime import worker as worker_
from cadence.runtime.launcher import Launch
from cadence.runtime.messages import MAX_EXAMPLE_CHARS, Malformed, decode_reply
from cadence.runtime.worker import Worker
from cadence.runtime.zygote import Zygote
from cadence_sdk._runtime import wire
from cadence_sdk._runtime.report import MAX_EXAMPLES_PER_PLUGIN
from cadence_sdk.examples import MAX_EXAMPLES_PER_TOOL
from tests.building import plugin_files, write_folder
from tests.runtime.house import House, eventually, threads

REF = PluginRef("demo_plugin", "1.0.0")

HEAD = """
    import asyncio, os, sys, threading, time
    from pathlib import Path
    from cadence_sdk import example, tool

    @tool
    def ping() -> str:
        "Answer."
        return "pong"
"""

Try = Callable[..., Worker]


@pytest.fixture
def tried(house: House, tmp_path: Path) -> Iterator[Try]:
    """Loads a plugin with these tools as a trial does, or as told."""
    yield from _trials(house, tmp_path)


@pytest.fixture
def tried_soon(settings: Settings, zygote: Zygote, tmp_path: Path) -> Iterator[Try]:
    """The same where a call may not take long, and nothing is left of it in the end."""
    parts = Parts(replace(settings, call_seconds=0.5), zygote)
    house = House(parts)
    yield from _trials(house, tmp_path)
    eventually(lambda: house.workers() == set())
    eventually(lambda: house.run_folders() == set())
    parts.close()


def _trials(house: House, folder: Path) -> Iterator[Try]:
    workers = []

    def try_(tools: str, *names: str, **how: Any) -> Worker:
        source = f"{dedent(HEAD)}\n{dedent(tools)}\nTOOLS = [{', '.join(('ping', *names))}]\n"
        package = write_folder(folder / "demo_plugin-1.0.0", plugin_files(tools=source))
        workers.append(house.live_set.trial(Launch(REF, package, **how)))
        return workers[-1]

    yield try_
    for worker in workers:
        worker.kill("the test is over")


def faults_of(try_: Try, tools: str, *names: str) -> list[Fault]:
    with pytest.raises(ValidationFailed) as caught:
        try_(tools, *names)
    return list(caught.value.faults)


def fault_of(try_: Try, tools: str, *names: str) -> str:
    (fault,) = faults_of(try_, tools, *names)
    return fault.message


ADD = """
    @example(a=2, b=3, returns=5)
    @example({"a": 0.1, "b": 0.2}, returns=0.3, approximately=1e-9)
    @tool
    def add(a: float, b: float) -> float:
        "Add."
        return a + b
"""


def test_a_plugin_whose_examples_hold_loads_and_says_how_many_there_are(tried: Try) -> None:
    worker = tried(ADD, "add")
    assert {tool.name: tool.examples for tool in worker.report.tools} == {"ping": 0, "add": 2}
    assert worker.call("add", {"a": 2, "b": 3}, 10) == 5


def test_an_example_that_fails_refuses_the_plugin_and_names_the_tool(tried: Try) -> None:
    tools = ADD.replace("a + b", "a - b")
    first, second = faults_of(tried, tools, "add")
    words = "The example add(a=2, b=3) returned -1.0, where 5 is expected."
    assert first == Fault("trial", "example_failed", words, "add")
    assert second.message == "The example add(a=0.1, b=0.2) returned -0.1, where 0.3 is expected."


def test_an_exception_is_told_with_its_place(tried: Try) -> None:
    tools = """
        @example(x=1, returns=1)
        @tool
        def broken(x: int) -> int:
            "Raise."
            raise LookupError("no such unit")
    """
    words = r"The example broken\(x=1\) raised LookupError: no such unit \(tools\.py:\d+\), where 1 is expected\."
    assert re.fullmatch(words, fault_of(tried, tools, "broken"))


def test_arguments_that_do_not_fit_the_schema_refuse_the_plugin(tried: Try) -> None:
    tools = ADD.replace('{"a": 0.1, "b": 0.2}', '{"a": "x"}').replace("a=2, b=3", "a=2, b=3, c=4")
    unknown, unfit = faults_of(tried, tools, "add")
    assert unknown.message == "The example add(a=2, b=3, c=4) does not fit the tool, which has no argument `c`."
    assert unfit.message.startswith('The example add(a="x") does not fit the tool: `a`: Input should be a valid number')
    assert "`b`: Field required" in unfit.message


def test_what_is_no_example_refuses_the_plugin_at_its_place(tried: Try) -> None:
    tools = ADD.replace("returns=5", "returns={5}")
    message = fault_of(tried, tools, "add")
    assert "TypeError: The expected value of an example must be JSON: it is a set" in message
    assert "tools.py:" in message


def test_async_tools_are_tried_on_the_loop_that_serves_them(tried: Try) -> None:
    tools = """
        LOOPS = set()

        @example(returns=1)
        @tool
        async def loops() -> int:
            "How many there were."
            LOOPS.add(asyncio.get_running_loop())
            return len(LOOPS)
    """
    assert tried(tools, "loops").call("loops", {}, 10) == 1


def test_examples_are_tried_where_calls_are(tried: Try) -> None:
    """In the main thread, which some libraries insist on."""
    tools = """
        @example(returns="MainThread")
        @tool
        def where() -> str:
            "The thread."
            return threading.current_thread().name
    """
    tried(tools, "where")


TRIES = """
    TRIES = []

    @example()
    @tool
    def tries() -> int:
        "How often it was called before."
        TRIES.append(1)
        return len(TRIES) - 1
"""


@pytest.mark.parametrize(("how", "times"), [({}, 1), ({"trial": False}, 0), ({"examples": False}, 0)])
def test_examples_are_tried_once_and_only_at_a_trial(tried: Try, how: dict[str, bool], times: int) -> None:
    assert tried(TRIES, "tries", **how).call("tries", {}, 10) == times


def test_what_is_expected_cannot_be_changed_by_the_tool(tried: Try) -> None:
    tools = """
        EXPECTED = {"items": [1]}
        ARGUMENTS = {"items": [1]}

        @example(ARGUMENTS, returns=EXPECTED)
        @tool
        def change(items: list[int]) -> dict:
            "Make what it returns what is expected."
            items.append(2)
            EXPECTED["items"] = ARGUMENTS["items"] = items
            return EXPECTED
    """
    words = 'The example change(items=[1]) returned {"items": [1, 2]}: `items` has 2 items, where 1 are expected.'
    assert fault_of(tried, tools, "change") == words


# Hostile ones

HANGS = """
    @example(returns=1)
    @tool
    {} hang() -> int:
        "Never answer."
        {}

    @example(returns=1)
    @tool
    def late() -> int:
        "Answer."
        return 1
"""


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("def", "threading.Event().wait()"),
        ("def", "[... for _ in range(10 ** 9) if _ < 0]"),
        ("async def", "await asyncio.Event().wait()"),
        ("async def", "time.sleep(10_000)"),
        ("def", "os.close(2); sys.stdout.write('x' * (1 << 20)); time.sleep(10_000)"),
    ],
)
def test_an_example_that_hangs_is_named(tried_soon: Try, kind: str, body: str) -> None:
    hanging, untried = faults_of(tried_soon, HANGS.format(kind, body), "hang", "late")
    assert re.fullmatch(r"The example hang\(\) had not answered after \d[\d.]* s\.", hanging.message)
    assert (hanging.code, hanging.culprit) == ("example_failed", "hang")
    assert untried.message == "The example late() was not tried, because one before it took too long."


def test_an_example_that_lets_nothing_else_run_ends_by_the_servers_deadline(impatient: House, tmp_path: Path) -> None:
    trials = _trials(impatient, tmp_path)
    (fault,) = faults_of(next(trials), HANGS.format("def", "sum(range(10 ** 15))"), "hang")
    assert (fault.code, fault.message) == ("load_timeout", "Loading demo_plugin took longer than 2 s.")


def test_examples_for_which_no_time_is_left_are_said_not_to_have_been_tried(
    tried: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_EXAMPLES_SHARE", 0.0)
    hang, late = faults_of(tried, HANGS.format("def", "return 1"), "hang", "late")
    assert hang.message == "The example hang() was not tried: no time was left for it."
    assert late.message == "The example late() was not tried: no time was left for it."


@pytest.mark.parametrize(
    "error",
    ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "BaseException('x')", "asyncio.CancelledError()"],
)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_example_that_raises_what_ends_programs_only_fails(tried: Try, kind: str, error: str) -> None:
    message = fault_of(tried, HANGS.format(kind, f"raise {error}"), "hang")
    assert message.startswith(f"The example hang() raised {error.partition('(')[0].removeprefix('asyncio.')}")


def test_an_exception_that_cannot_be_read_only_fails(tried: Try) -> None:
    tools = """
        class Unreadable(Exception):
            def __str__(self):
                raise SystemExit

        @example(raises="anything")
        @tool
        def hang() -> int:
            "Raise."
            raise Unreadable
    """
    assert "the text of this Unreadable cannot be read" in fault_of(tried, tools, "hang")


def test_an_example_that_recurses_only_fails(tried: Try) -> None:
    message = fault_of(tried, HANGS.format("def", "return hang.func()"), "hang")
    assert "RecursionError" in message


def test_an_example_that_ends_the_process_is_refused_in_words(tried: Try) -> None:
    message = fault_of(tried, HANGS.format("def", "os._exit(7)"), "hang")
    assert message.startswith("demo_plugin did not finish loading. The worker of demo_plugin")


def test_an_example_that_closes_the_channel_is_refused_in_words(tried: Try) -> None:
    message = fault_of(tried, HANGS.format("def", "os.closerange(3, 256)"), "hang")
    assert message.startswith("demo_plugin did not finish loading. The worker of demo_plugin")


def test_megabytes_are_cut_in_what_is_said(tried: Try) -> None:
    message = fault_of(tried, HANGS.format("def", "return 'x' * (8 << 20)"), "hang")
    assert message.startswith('The example hang() returned "xxxx')
    assert len(message) < 1000


def test_a_result_of_no_form_at_all_is_compared_as_its_text(tried: Try) -> None:
    deep = "a = []\n        for _ in range(100_000): a = [a]\n        return a"
    message = fault_of(tried, HANGS.format("def", deep), "hang")
    assert message.startswith("The example hang() ")
    assert len(message) < 1000


def test_a_flood_of_output_does_not_disturb(tried: Try) -> None:
    flood = "[print('x' * 1000) for _ in range(5000)]; return 1"
    assert tried(HANGS.format("def", flood), "hang").call("ping", {}, 10) == "pong"


def test_an_example_that_takes_all_memory_is_told_the_limit(tried: Try) -> None:
    message = fault_of(tried, HANGS.format("def", "return len(b'x' * (1 << 42))"), "hang")
    assert "MemoryError" in message
    assert message.endswith("where 1 is expected. Memory limit of 512 MiB reached.")


def test_more_examples_than_are_tried_refuse_the_plugin(tried: Try) -> None:
    tools = "\n".join(
        f"""
    @tool
    def tool_{number}(a: int) -> int:
        "Answer."
        return a
    for a in range({MAX_EXAMPLES_PER_TOOL}):
        example(a=a, returns=a)(tool_{number})
"""
        for number in range(MAX_EXAMPLES_PER_PLUGIN // MAX_EXAMPLES_PER_TOOL)
    )
    names = [f"tool_{number}" for number in range(MAX_EXAMPLES_PER_PLUGIN // MAX_EXAMPLES_PER_TOOL)]
    worker = tried(tools, *names)
    assert len(worker.self_test(20)) == MAX_EXAMPLES_PER_PLUGIN
    more = f"{tools}\n    example()(ping)\n"
    (fault,) = faults_of(tried, more, *names)
    words = f"The tools have {MAX_EXAMPLES_PER_PLUGIN + 1} examples together; at most {MAX_EXAMPLES_PER_PLUGIN}"
    assert fault.code == "too_many_examples"
    assert fault.message.startswith(words)


# On demand


def test_examples_are_tried_on_demand(tried: Try) -> None:
    worker = tried(ADD, "add")
    results = worker.self_test(20)
    assert [(result.tool, result.args, result.passed) for result in results] == [
        ("add", {"a": 2, "b": 3}, True),
        ("add", {"a": 0.1, "b": 0.2}, True),
    ]
    assert results[0].words == "add(a=2, b=3) returned 5.0."
    assert all(result.ms >= 0 for result in results)


def test_a_self_test_says_what_has_come_to_fail_and_harms_no_one(tried: Try) -> None:
    tools = """
        CALLS = []

        @example(returns=1)
        @tool
        def count() -> int:
            "Count."
            CALLS.append(1)
            return len(CALLS)
    """
    worker = tried(tools, "count")
    (result,) = worker.self_test(20)
    assert not result.passed
    assert result.words == "count() returned 2, where 1 is expected."
    assert worker.call("count", {}, 20) == 3


def test_a_plugin_without_examples_has_none_to_try(tried: Try) -> None:
    assert tried("").self_test(20) == ()


GATED = """
    @example(returns=1)
    @tool
    {} gate() -> int:
        "Answer once the file is there, and say before that it waits."
        Path("waits").touch()
        while not Path("open").exists():
            {}
        return 1
"""


@pytest.mark.parametrize(("kind", "pause"), [("def", "time.sleep(0.01)"), ("async def", "await asyncio.sleep(0.01)")])
def test_calls_are_answered_while_a_self_test_is_under_way(tried: Try, house: House, kind: str, pause: str) -> None:
    worker = tried(GATED.format(kind, pause), "gate", examples=False)
    place = house.meeting_place()
    with threads(1) as submit:
        test = submit(worker.self_test, 60)
        eventually((place / "waits").exists)
        assert worker.call("ping", {}, 30) == "pong"
        (place / "open").touch()
        assert [result.passed for result in test.result()] == [True]


@pytest.mark.parametrize(("kind", "pause"), [("def", "time.sleep(0.01)"), ("async def", "await asyncio.sleep(0.01)")])
def test_a_self_test_that_takes_too_long_names_the_example(
    tried: Try, house: House, kind: str, pause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_, "_SELF_TEST_SHARE", 0.01)
    worker = tried(GATED.format(kind, pause), "gate", examples=False)
    with pytest.raises(CallTimedOut, match=r"gate\(\) had not answered after 0\.\d+ s\."):
        worker.self_test(30)
    # An answer that comes after all is not another reply, which would be one too many.
    (house.meeting_place() / "open").touch()
    assert worker.call("gate", {}, 30) == 1
    assert worker.self_test(20)[0].passed


def test_a_self_test_that_lets_nothing_else_run_ends_by_the_servers_deadline(tried: Try) -> None:
    worker = tried(HANGS.format("def", "sum(range(10 ** 15))"), "hang", examples=False)
    with pytest.raises(CallTimedOut, match="The self-test of demo_plugin did not answer within"):
        worker.self_test(0.5)


def test_a_self_test_without_memory_fails_as_a_call_does(tried: Try) -> None:
    worker = tried(HANGS.format("def", "return len(b'x' * (1 << 42))"), "hang", examples=False)
    with pytest.raises(LimitReached, match="memory limit of 512 MiB reached"):
        worker.self_test(20)


def test_a_self_test_that_ends_the_process_is_told(tried: Try) -> None:
    worker = tried(HANGS.format("def", "os._exit(7)"), "hang", examples=False)
    with pytest.raises(WorkerEnded, match="demo_plugin"):
        worker.self_test(20)


# Workers that lie


def test_an_answer_of_another_kind_ends_the_worker(tried: Try) -> None:
    tools = """
        @example(returns=1)
        @tool
        def lie() -> int:
            "Answer the request itself, with a result."
            import json
            body = json.dumps({"type": "result", "id": 1, "value": []}).encode()
            os.write(3, len(body).to_bytes(4, "big") + body)
            time.sleep(10_000)
    """
    worker = tried(tools, "lie", examples=False)
    with pytest.raises(WorkerEnded, match="a reply of another kind"):
        worker.self_test(20)


def reply(*results: ExampleResult) -> bytes:
    return wire.encode(wire.SelfTested(1, results))


RESULT = ExampleResult("add", {"a": 2}, passed=True, words="add(a=2) returned 2.", ms=0.1)


def test_what_a_worker_says_of_its_examples_is_decoded() -> None:
    assert decode_reply(reply(RESULT)) == wire.SelfTested(1, (RESULT,))


@pytest.mark.parametrize(
    "body",
    [
        reply(*[RESULT] * (MAX_EXAMPLES_PER_PLUGIN + 1)),
        reply(ExampleResult("add", {}, passed=False, words="x" * (MAX_EXAMPLE_CHARS + 1))),
        reply(ExampleResult("x" * (MAX_EXAMPLE_CHARS + 1), {}, passed=False)),
        json.dumps({"type": "self_tested", "id": 1, "results": [{"tool": "a", "args": [], "passed": True}]}).encode(),
        json.dumps({"type": "self_tested", "id": 1, "results": [{"tool": "a", "args": {}, "passed": 1}]}).encode(),
        json.dumps({"type": "self_tested", "id": 1}).encode(),
    ],
)
def test_what_no_worker_of_ours_says_of_its_examples_breaks_the_protocol(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode_reply(body)


def test_a_plugin_that_left_no_thread_to_watch_by_is_told_the_limit(
    settings: Settings, zygote: Zygote, tmp_path: Path
) -> None:
    tools = f"""{ADD}
    try:
        for _ in range(200):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
    except RuntimeError:
        pass
    """
    parts = Parts(replace(settings, plugin_threads=16), zygote)
    trials = _trials(House(parts), tmp_path)
    assert "limit of 16 threads reached" in fault_of(next(trials), tools, "add")
    parts.close()
