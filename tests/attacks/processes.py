"""Attacks on other processes, and those that make processes and threads."""

import contextlib
import os
import re
import signal
import uuid
from pathlib import Path

import psutil

from tests.attacks.attack import Attacks, Outcome, Run
from tests.attacks.stage import Stage
from tests.attacks.witness import ends_soon, target

ATTACKS = Attacks()
THREADS = 2000
MOST_PROCESSES = 200


def _kills(tool: str) -> Run:
    """Ends a process that the test has started as the server's user."""

    def run(stage: Stage) -> Outcome:
        with target(stage) as victim:
            answer = stage.call("signaller", tool, pid=victim.pid, number=int(signal.SIGKILL))
            return Outcome(answer, ends_soon(victim.process))

    return run


for _tool in (
    "kill",
    "kill_thread",
    "kill_group",
    "queue_signal",
    "kill_by_descriptor",
    "kill_by_folder",
    "kill_as_owner",
):
    ATTACKS.add(f"end_another_process_by_{_tool}", _kills(_tool))


def _kills_sibling(tool: str) -> Run:
    """Ends the worker of another plugin, which may be in the same namespace."""

    def run(stage: Stage) -> Outcome:
        stage.await_bystander()
        sibling = stage.worker("bystander")
        answer = stage.call("signaller", tool, pid=_inner_pid(sibling), number=int(signal.SIGKILL))
        ended = ends_soon(sibling)
        if ended:
            stage.start_anew("bystander")
        return Outcome(answer, ended, untold=tool == "kill_as_owner")

    return run


for _tool in ("kill", "kill_thread", "queue_signal", "kill_by_descriptor", "kill_as_owner"):
    ATTACKS.add(f"end_another_plugins_worker_by_{_tool}", _kills_sibling(_tool))


def _inner_pid(process: psutil.Process) -> int:
    """The number of a process in its own namespace (proc(5), status, NSpid)."""
    found = re.search(r"NSpid:.*\s(\d+)\n", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1])


@ATTACKS.attack()
def reach_the_server(stage: Stage) -> Outcome:
    answer = stage.call("signaller", "kill", pid=stage.server.serving_process().pid, number=0)
    return Outcome(answer, answer.ok)


@ATTACKS.attack()
def reach_the_zygote(stage: Stage) -> Outcome:
    stage.install("signaller")
    answer = stage.call("signaller", "kill", pid=_inner_pid(stage.server.zygote()), number=0)
    return Outcome(answer, answer.ok)


@ATTACKS.attack(root=(_ALONE := "nobody else is in its process group, with and without the sandbox"), ordinary=_ALONE)
def end_everybody_by_group(stage: Stage) -> Outcome:
    stage.await_plugin("signaller", "ping")
    zygote = stage.server.zygote()
    answer = stage.call("signaller", "kill", pid=0, number=int(signal.SIGKILL))
    stage.await_plugin("signaller", "ping")
    return Outcome(answer, stage.server.zygote() != zygote)


def _takes(tool: str, *, with_address: bool = False) -> Run:
    """Takes a secret out of a process that the test has started as the server's user."""

    def run(stage: Stage) -> Outcome:
        with target(stage) as victim:
            where = {"address": victim.address, "length": victim.length} if with_address else {}
            answer = stage.call("signaller", tool, pid=victim.pid, **where)
            return Outcome(answer, victim.secret in (answer.result or ""))

    return run


ATTACKS.add("take_a_descriptor_of_another_process", _takes("take_descriptor"))
ATTACKS.add("open_a_descriptor_of_another_process", _takes("open_descriptor"))
ATTACKS.add("trace_another_process", _takes("trace", with_address=True))
ATTACKS.add("read_another_process_by_system_call", _takes("read_memory", with_address=True))


@ATTACKS.attack()
def slow_another_process(stage: Stage) -> Outcome:
    with target(stage) as victim:
        answer = stage.call("signaller", "renice", pid=victim.pid, value=10)
        return Outcome(answer, victim.process.nice() == 10)


@ATTACKS.attack()
def idle_another_process(stage: Stage) -> Outcome:
    with target(stage) as victim:
        answer = stage.call("signaller", "make_idle", pid=victim.pid)
        return Outcome(answer, os.sched_getscheduler(victim.pid) == os.SCHED_IDLE)


@ATTACKS.attack(
    root="there is one processor only" if os.cpu_count() == 1 else "",
    ordinary="there is one processor only" if os.cpu_count() == 1 else "",
)
def pin_another_process(stage: Stage) -> Outcome:
    with target(stage) as victim:
        answer = stage.call("signaller", "pin", pid=victim.pid)
        return Outcome(answer, len(victim.process.cpu_affinity()) == 1)


@ATTACKS.attack()
def limit_another_process(stage: Stage) -> Outcome:
    with target(stage) as victim:
        answer = stage.call("signaller", "limit", pid=victim.pid, open_files=5)
        limits = Path(f"/proc/{victim.pid}/limits").read_text()
        return Outcome(answer, re.search(r"Max open files +5 +5 ", limits) is not None)


def _multiplies(tool: str, **arguments: int) -> Run:
    """Starts processes, and lets them go once they were counted from outside.

    Who was granted some may start them; then it is an attack when it can start all that it wants.
    """

    def run(stage: Stage) -> Outcome:
        worker = stage.worker("forker")
        answer = stage.call("forker", tool, **arguments)
        started = 0
        with contextlib.suppress(psutil.NoSuchProcess):  # then it was ended for it, and so were they
            started = len(worker.children(recursive=True))
        if started:
            stage.await_plugin("forker", "release")
        return Outcome(answer, started >= (MOST_PROCESSES if stage.has_grants else 1))

    return run


ATTACKS.add("bomb_with_forks", _multiplies("fork_bomb", most=MOST_PROCESSES))
for _tool in ("vfork", "spawn", "clone3", "multiprocess"):
    ATTACKS.add(f"start_a_process_by_{_tool}", _multiplies(_tool))


@ATTACKS.attack()
def bomb_with_threads(stage: Stage) -> Outcome:
    stage.install("threader")
    answer = stage.call("threader", "thread_bomb", most=THREADS)
    count = stage.worker("threader").num_threads()
    if answer.ok:
        assert stage.call("threader", "release").ok
    return Outcome(answer, count >= THREADS)


def _executes(tool: str) -> Run:
    """Has a shell write a file."""

    def run(stage: Stage) -> Outcome:
        name = f"by-shell-{uuid.uuid4().hex}"
        stage.start_anew("executor")
        stage.await_plugin("executor", "ping")
        answer = stage.call("executor", tool, name=name)
        path = stage.data("executor") / name
        return Outcome(answer, path.exists() and "shell" in path.read_text())

    return run


for _tool in ("run_shell", "system", "become_shell", "become_copied_shell", "become_shell_by_loader"):
    ATTACKS.add(f"execute_by_{_tool}", _executes(_tool))
