"""Whatever a tool does to its process, the caller is told in words, the next call is answered, no one else notices."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cadence.errors import CallFailed, CallTimedOut, LimitReached, ToolRaised, WorkerEnded
from tests.processes import is_over
from tests.runtime.house import House, eventually, undisturbed, with_ping

ROGUES = {
    "os._exit": ("os._exit(3)", WorkerEnded, r"The worker of demo_plugin ended by itself with exit code 3\."),
    "sys.exit": ("sys.exit(4)", ToolRaised, r"SystemExit: 4"),
    "raise": ("raise ValueError('no such unit')", ToolRaised, r"ValueError: no such unit \(tools\.py:\d+\)"),
    "interrupt": ("raise KeyboardInterrupt", ToolRaised, r"KeyboardInterrupt"),
    "loop": ("while True: pass", CallTimedOut, r"demo_plugin\.rogue did not answer within 2 s\."),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", WorkerEnded, r"was ended by signal 9 \(SIGKILL\)"),
    "crash": ("ctypes.string_at(0)", WorkerEnded, r"was ended by signal 11 \(SIGSEGV\)"),
    "descriptors": ("os.closerange(0, 1024)", WorkerEnded, r"The worker of demo_plugin ended by itself with exit code"),
    "channel": (
        "os.write(3, b'\\xff' * 64)\nthreading.Event().wait()",
        WorkerEnded,
        r"broke the protocol: a message of",
    ),
    "deaf": (
        "socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_RDWR)\nthreading.Event().wait()",
        WorkerEnded,
        r"ended",
    ),
    "builtins": (
        "for name in dir(builtins):\n    setattr(builtins, name, None)",
        CallFailed,
        r"TypeError|ended by itself with exit code|did not answer",
    ),
}


def rogue(deed: str, declaration: str = "def") -> str:
    body = deed.replace("\n", "\n    ")
    return with_ping(
        f"""
import builtins, ctypes, os, signal, socket, sys, threading, time

@tool
{declaration} rogue() -> int:
    "Do harm."
    {body}
""",
        "rogue",
    )


#: Those that no answer comes of, and no end of the process; for all others the deadline is out of reach.
PAST_THE_DEADLINE = ("loop", "builtins")


@pytest.mark.parametrize("declaration", ["def", "async def"])
@pytest.mark.parametrize("which", ROGUES)
def test_a_rogue_tool_harms_no_one_and_the_next_call_is_answered(
    request: pytest.FixtureRequest, which: str, declaration: str
) -> None:
    deed, error, words = ROGUES[which]
    house: House = request.getfixturevalue("impatient" if which in PAST_THE_DEADLINE else "house")
    house.install(rogue(deed, declaration))
    with undisturbed(house) as neighbour:
        # More than once, so that it is not always the same thread of the worker that is hit.
        for _ in range(3):
            house.call("ping")
        before = house.pid()
        with pytest.raises(error, match=words) as caught:
            house.call("rogue")
        assert caught.value.ref is not None
        assert caught.value.ref.slug == "demo_plugin-1.0.0"
        neighbour.await_progress()
        if isinstance(caught.value, CallTimedOut):
            house.await_replacement(before)
        assert house.call("ping") == house.pid()
    assert house.live().status == "live"
    house.await_only("demo_plugin", "neighbour")


def test_a_tool_that_prints_megabytes_is_answered_and_its_log_stays_bounded(house: House) -> None:
    house.install(
        with_ping(
            """
            import sys

            @tool
            def chatter() -> str:
                "Say much."
                for _ in range(200):
                    print("x" * 65536)
                    print("y" * 65536, file=sys.stderr)
                print("the last word")
                return "said"
            """,
            "chatter",
        )
    )
    with undisturbed(house):
        assert house.call("chatter") == "said"
        assert house.call("ping") == house.pid()
    eventually(lambda: "the last word" in {line.text for line in house.running.logs.tail("demo_plugin", 9)})
    kept = sum(len(line.text) for line in house.running.logs.tail("demo_plugin", 10**6))
    assert kept <= house.parts.settings.max_log_bytes


def test_a_loop_that_never_lets_go_of_the_interpreter_is_ended_and_replaced(impatient: House) -> None:
    impatient.install(
        with_ping(
            """
            @tool
            def seize() -> int:
                "Count without ever letting another thread run."
                return sum(range(10**15))
            """,
            "seize",
        )
    )
    before = impatient.pid()
    with undisturbed(impatient):
        with pytest.raises(CallTimedOut):
            impatient.call("seize")
        impatient.await_replacement(before)
        assert impatient.call("ping") != before
    impatient.await_only("demo_plugin", "neighbour")


def test_a_worker_ended_by_a_signal_without_a_name_is_restarted_and_others_can_start(lone: House) -> None:
    lone.install(rogue("os.kill(os.getpid(), 40)\nthreading.Event().wait()"))
    with pytest.raises(WorkerEnded, match="was ended by signal 40"):
        lone.call("rogue")
    assert lone.call("ping") == lone.pid()
    lone.install(with_ping(""), "another")
    assert lone.call("ping", "another") == lone.pid("another")


@pytest.fixture
def swept(tmp_path: Path) -> Iterator[None]:
    """Whatever is left of a tree that nothing which recurses can delete is deleted, pytest itself could not."""
    yield
    subprocess.run(["rm", "-rf", str(tmp_path / "instance")], check=True)


def test_a_tool_that_leaves_a_tree_too_deep_to_walk_does_not_keep_the_house_from_closing(
    swept: None, lone: House
) -> None:
    lone.install(
        with_ping(
            """
            import os

            @tool
            def dig() -> None:
                "Nest folders as deep as no path can name, and end."
                os.chdir(os.environ["TMPDIR"])
                for _ in range(3000):
                    os.mkdir("d")
                    os.chdir("d")
                os._exit(0)
            """,
            "dig",
        )
    )
    run = lone.running.scratch_dir()
    # Who measures its files may come first, and ends it for having some that cannot be looked into.
    with pytest.raises((WorkerEnded, LimitReached)):
        lone.call("dig")
    assert lone.call("ping") == lone.pid()
    lone.await_only("demo_plugin")
    lone.parts.close()
    assert not run.exists()


def test_what_a_tool_says_when_it_raises_need_not_be_valid_unicode(impatient: House) -> None:
    impatient.install(rogue(r"raise ValueError('no file caf\udce9')"))
    before = impatient.call("ping")
    for _ in range(3):
        with pytest.raises(ToolRaised, match=r"ValueError: no file caf"):
            impatient.call("rogue")
    assert impatient.call("ping") == before


def test_what_a_tool_says_when_it_raises_is_bounded(house: House) -> None:
    house.install(rogue("raise ValueError('x' * 1_000_000)"))
    with pytest.raises(ToolRaised, match="ValueError: xxx") as caught:
        house.call("rogue")
    assert len(str(caught.value)) < 100_000


def test_processes_that_a_plugin_started_end_with_its_worker(either_way: House) -> None:
    """Confined or not: the process namespace is that of all workers, so it does not end with one."""
    either_way.install(
        with_ping(
            """
            import subprocess

            @tool
            def beget() -> None:
                "Start a process."
                subprocess.Popen(["sleep", "1000"])

            @tool
            def leave() -> None:
                "End."
                os._exit(0)
            """,
            "beget",
            "leave",
        )
    )
    either_way.call("beget")
    (child,) = psutil.Process(either_way.pid()).children()
    with pytest.raises(WorkerEnded):
        either_way.call("leave")
    eventually(lambda: is_over(child))
