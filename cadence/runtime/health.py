"""How the version of a plugin that should answer stands, and what is to be done about it: a pure state machine.

What happens to its workers are events; a step makes of a condition and an event the next condition and a verdict. Time
comes with the events. A version that became active is *new* for a while (on probation). What goes wrong meanwhile is
counted, whether calls succeed in between or not: at a number of ends, or of failed checks in a row, it is taken back.
After that it has proved itself: it is started again for ever, later each time, and never taken back.

::

               Checked(healthy)                Checked(unhealthy) x n, proven: Renew, once
        ┌────────────────────────┐            ┌──────────────────────────┐
        ▼                        │            │                          ▼
    healthy ──Checked(unhealthy)──▶ degraded ──────────────────────────▶ failed
        │                                                                ▲  │
        └──── Ended, NotStarted: Restart after a delay ──────────────────┘  │
        new, at the limit of ends or failed checks: TakeBack ◀──────────────┘
"""

import math
from enum import StrEnum
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from cadence.history import Reason
from cadence.runtime import backoff


class HealthState(StrEnum):
    """How a version stands that may run."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILED = "failed"


class Policy(Struct, frozen=True):
    """When a version has had its chances.

    ``ends`` is how many ends of a worker take a new version back, ``check_failures`` how many failed checks in a row
    make a version failed.
    """

    ends: int = 3
    check_failures: int = 3


EndKind = Literal["crashes", "timeouts", "limits", "start"]
"""How it came to an end: by itself, at a deadline, at a limit, or before it could begin. The codes of a reason."""


class Ended(Struct, frozen=True):
    """A worker that answered has ended, or has to be, after ``ran_seconds``. ``by_host``: the plugin did nothing."""

    at: float
    kind: EndKind
    words: str
    ran_seconds: float = 0.0
    by_host: bool = False


class NotStarted(Struct, frozen=True):
    """A worker could not be started. ``by_host``: it was not the plugin's doing."""

    at: float
    words: str
    by_host: bool = False


class Checked(Struct, frozen=True):
    """A health check was made. ``by_service``: what fails is a service outside, not the version."""

    at: float
    healthy: bool
    words: str = ""
    by_service: bool = False


HealthEvent = Ended | NotStarted | Checked


class Stay(Struct, frozen=True):
    """Nothing is to be done."""


class Restart(Struct, frozen=True):
    """Start it again after ``delay_seconds``."""

    delay_seconds: float


class Renew(Struct, frozen=True):
    """Put a fresh worker in the place of the one that answers."""


class TakeBack(Struct, frozen=True):
    """Let the version before it answer."""

    reason: Reason


Verdict = Stay | Restart | Renew | TakeBack


class Condition(Struct, frozen=True):
    """How a version stands.

    ``new_until`` is when it has proved itself; ``ends`` are those that count meanwhile, ``failures`` those in a row
    for the delay of the next start, ``failed_checks`` those in a row. ``words`` say what is wrong, if anything is.
    """

    new_until: float = -math.inf
    ends: int = 0
    failures: int = 0
    failed_checks: int = 0
    state: HealthState = HealthState.HEALTHY
    words: str = ""

    def is_new(self, at: float) -> bool:
        """Whether it still has to prove itself."""
        return at < self.new_until


def step(condition: Condition, event: HealthEvent, policy: Policy) -> tuple[Condition, Verdict]:
    """What an event makes of a condition, and what is to be done."""
    if isinstance(event, Checked):
        return _checked(condition, event, policy)
    if isinstance(event, NotStarted):
        return _not_started(condition, event, policy)
    return _ended(condition, event, policy)


def started(condition: Condition) -> Condition:
    """A worker of it answers, by a start that was none of the row of restarts after failures, or was its end."""
    if condition.failed_checks:
        return condition
    return replace(condition, state=HealthState.HEALTHY, words="")


def delay_of(condition: Condition) -> float:
    """How many seconds to wait before a version is started again that has failed so often in a row."""
    return backoff.delay_seconds(max(1, condition.failures))


def _ended(condition: Condition, event: Ended, policy: Policy) -> tuple[Condition, Verdict]:
    failures = backoff.next_failures(condition.failures, event.ran_seconds)
    counts = condition.is_new(event.at) and not event.by_host
    ends = condition.ends + 1 if counts else condition.ends
    after = replace(condition, failures=failures, ends=ends, state=HealthState.FAILED, words=event.words)
    if counts and ends >= policy.ends:
        return after, TakeBack(Reason(event.kind, _times(ends, event.words)))
    return after, Restart(backoff.delay_seconds(failures))


def _not_started(condition: Condition, event: NotStarted, policy: Policy) -> tuple[Condition, Verdict]:
    """What the host could not do is tried again; a plugin that does not load has no reason to the next time.

    A new one is tried again all the same, until it is taken back.
    """
    if event.by_host:
        failures = condition.failures + 1
        after = replace(condition, failures=failures, state=HealthState.FAILED, words=event.words)
        return after, Restart(backoff.delay_seconds(failures))
    if condition.is_new(event.at):
        return _ended(condition, Ended(event.at, "start", event.words), policy)
    return replace(condition, state=HealthState.FAILED, words=event.words), Stay()


def _checked(condition: Condition, event: Checked, policy: Policy) -> tuple[Condition, Verdict]:
    if event.healthy:
        return replace(condition, failed_checks=0, state=HealthState.HEALTHY, words=""), Stay()
    if event.by_service:
        return replace(condition, state=HealthState.DEGRADED, words=event.words), Stay()
    failed = condition.failed_checks + 1
    state = HealthState.FAILED if failed >= policy.check_failures else HealthState.DEGRADED
    after = replace(condition, failed_checks=failed, state=state, words=event.words)
    if failed < policy.check_failures:
        return after, Stay()
    if condition.is_new(event.at):
        words = f"{failed} health checks in a row failed while it was new; the last one: {event.words}"
        return after, TakeBack(Reason("health", words))
    # Once for each row of failures: a worker that is no better than the one before it is left alone.
    return after, Renew() if failed == policy.check_failures else Stay()


def _times(ends: int, words: str) -> str:
    if ends == 1:
        return words
    return f"{ends} times something went wrong while it was new; the last time: {words}"
