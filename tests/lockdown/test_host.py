"""What the host has is believed only of an attempt that succeeded."""

import os
import signal

import pytest

from cadence_sdk._runtime.lockdown import host, kernel, syscalls
from cadence_sdk._runtime.lockdown.host import Host


def refuse() -> None:
    raise PermissionError(1, "Operation not permitted")


def be_unknown() -> None:
    raise KeyError("a machine nobody has heard of")


def be_killed() -> None:
    """As under a filter that kills whoever makes a call it does not like."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_can_be_done_has_no_reason_against_it() -> None:
    assert host._tried(lambda: None) is None


@pytest.mark.parametrize(
    ("attempt", "words"),
    [(refuse, "Operation not permitted"), (be_unknown, "not known how"), (be_killed, "ends whoever tries")],
)
def test_an_attempt_that_did_not_succeed_is_never_taken_for_one_that_did(attempt: object, words: str) -> None:
    assert callable(attempt)
    assert words in (host._tried(attempt) or "")


def test_a_machine_whose_system_calls_are_not_known_has_no_filter_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syscalls, "_COLUMNS", {})
    monkeypatch.setattr(kernel, "SECCOMP", {})
    found = host.probe(Host())
    assert not found.seccomp
    (layer,) = (layer for layer in host.layers(found) if layer.name == "seccomp")
    assert not layer.active
    assert "not known how" in (layer.reason or "")
