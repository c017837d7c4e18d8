"""Jobs run when they are due, in order; none is lost in silence and none runs after the end."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from cadence.runtime.supervisor import Supervisor
from tests.runtime.house import PATIENCE_SECONDS, eventually


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(threads=1)
    yield supervisor
    supervisor.stop()


def test_jobs_run_in_the_order_in_which_they_are_due(supervisor: Supervisor) -> None:
    done: list[str] = []
    over = threading.Event()
    supervisor.after(0.3, over.set)
    supervisor.after(0.2, lambda: done.append("third"))
    supervisor.after(0.1, lambda: done.append("second"))
    supervisor.after(0.0, lambda: done.append("first"))
    assert over.wait(PATIENCE_SECONDS)
    assert done == ["first", "second", "third"]


def test_jobs_due_at_once_run_in_the_order_in_which_they_came(supervisor: Supervisor) -> None:
    done: list[int] = []
    for number in range(50):
        supervisor.after(0.0, lambda number=number: done.append(number))  # type: ignore[misc]  # mypy infers no default
    eventually(lambda: len(done) == 50)
    assert done == list(range(50))


def test_no_job_runs_before_it_is_due(supervisor: Supervisor) -> None:
    ran_at: list[float] = []
    due = time.monotonic() + 0.2
    supervisor.after(0.2, lambda: ran_at.append(time.monotonic()))
    eventually(lambda: ran_at)
    assert ran_at[0] >= due


def test_a_job_in_the_background_gives_its_result(supervisor: Supervisor) -> None:
    assert supervisor.soon(lambda: 42).result(PATIENCE_SECONDS) == 42


def test_a_job_that_fails_is_logged_and_the_next_one_runs(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("no such unit")

    with caplog.at_level(logging.ERROR):
        supervisor.after(0.0, fail)
        failed = supervisor.soon(fail)
        assert isinstance(failed.exception(PATIENCE_SECONDS), ValueError)
        eventually(lambda: caplog.text.count("ValueError: no such unit") == 2)
    assert supervisor.soon(lambda: "alive").result(PATIENCE_SECONDS) == "alive"


def test_stopping_waits_for_what_runs_and_drops_the_rest() -> None:
    supervisor = Supervisor(threads=1)
    began, release = threading.Event(), threading.Event()
    done: list[str] = []

    def run() -> None:
        began.set()
        release.wait(PATIENCE_SECONDS)
        done.append("running")

    supervisor.soon(run)
    assert began.wait(PATIENCE_SECONDS)
    queued = supervisor.soon(lambda: done.append("queued"))
    supervisor.after(0.05, lambda: done.append("due later"))
    stopping = threading.Thread(target=supervisor.stop)
    stopping.start()
    eventually(queued.cancelled)
    assert stopping.is_alive()
    release.set()
    stopping.join(PATIENCE_SECONDS)
    assert not stopping.is_alive()
    assert done == ["running"]


def test_after_the_end_a_job_is_dropped_and_whoever_waits_for_it_is_told() -> None:
    supervisor = Supervisor(threads=1)
    supervisor.stop()
    done: list[str] = []
    with pytest.raises(CancelledError):
        supervisor.soon(lambda: done.append("soon")).result(PATIENCE_SECONDS)
    supervisor.after(0.0, lambda: done.append("after"))
    assert done == []


def test_stopping_twice_does_no_harm() -> None:
    supervisor = Supervisor(threads=1)
    supervisor.stop()
    supervisor.stop()
