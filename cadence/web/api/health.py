"""Health: how this server does, how a plugin does and did, and asking a plugin now."""

from collections.abc import Mapping
from typing import Any, Literal

from flask import Response, request
from msgspec import Struct, structs

from cadence.history import CheckRecord
from cadence.model import ExampleResult
from cadence.sandbox import Sandbox
from cadence.web.api import answers
from cadence.web.api.plugins import services
from cadence.web.api.replies import number, reply
from cadence.web.present import HealthView, PluginStatus
from cadence.web.services import parts
from cadence.web.usage import LimitUse
from cadence.web.version_services import RECENT_CHECKS

#: So many checks are answered at most.
LARGEST_PAGE = 500
#: SQLite has no larger number of a row.
_LARGEST_NUMBER = 2**63 - 1

CHECKS_QUERY: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "default": RECENT_CHECKS, "description": f"How many checks; at most {LARGEST_PAGE}"},
    "before": {"type": "integer", "description": "What another page has as `next`: older checks are answered"},
}


class HealthAnswer(Struct, frozen=True, kw_only=True):
    """How a plugin stands, and its latest checks, newest first. Asking wakes nothing.

    ``plugin_version`` is the active version, or else the highest. ``is_new`` is whether it is on probation.
    ``next`` is the ``before`` of the checks that follow, null for none. As this server process counts, ``restarts`` is
    how often its worker was started again after it had ended, and ``recent_calls`` and ``recent_errors`` are calls and
    errors in each of the last 60 minutes, the latest last; they are empty where it does not answer here.
    """

    success: Literal[True] = True
    plugin_name: str
    plugin_version: str
    status: PluginStatus
    status_words: str
    health: HealthView
    is_new: bool
    checks: tuple[CheckRecord, ...]
    next: int | None
    restarts: int
    recent_calls: tuple[int, ...]
    recent_errors: tuple[int, ...]


class UsageAnswer(Struct, frozen=True, kw_only=True):
    """What a plugin takes of each limit, in the limit's own unit. Asking wakes nothing.

    ``used`` of a limit is null where it is not known, and ``words`` say why; all are in ``at`` (UTC, ISO 8601), a few
    seconds ago at most. ``at`` is null, and there are none, where finding out takes longer than half a second.
    """

    success: Literal[True] = True
    plugin_name: str
    awake: bool
    at: str | None
    limits: tuple[LimitUse, ...]


class CheckAnswer(Struct, frozen=True, kw_only=True):
    """A check that was made now: ``healthy``, and in words why not; and how the plugin stands after it."""

    success: Literal[True] = True
    message: str
    plugin_name: str
    plugin_version: str
    healthy: bool
    check: CheckRecord
    health: HealthView


class SelfTestAnswer(Struct, frozen=True):
    """What came of the examples that the tools of a plugin declare. ``success`` is false when one failed."""

    success: bool
    message: str
    plugin_name: str
    plugin_version: str
    passed: int
    failed: int
    examples: tuple[ExampleResult, ...]


def plugin_health(name: str) -> Response:
    """How a plugin does and did."""
    before = number("before", 0, _LARGEST_NUMBER) if request.args.get("before") else None
    found = services().health(name, before, number("limit", RECENT_CHECKS, LARGEST_PAGE))
    return reply(HealthAnswer(**structs.asdict(found)))


def usage(name: str) -> Response:
    """What a plugin takes."""
    return reply(UsageAnswer(**structs.asdict(services().usage(name))))


def check_health(name: str) -> Response:
    """Check a plugin now."""
    check = services().check_health(name)
    return reply(
        CheckAnswer(
            message=f"{name} {check.version} is healthy" if check.healthy else check.words,
            plugin_name=name,
            plugin_version=check.version,
            healthy=check.healthy,
            check=check,
            health=services().health(name).health,
        )
    )


def self_test(name: str) -> Response:
    """Run the examples of a plugin's tools."""
    view = services().self_test(name)
    return reply(SelfTestAnswer(success=not view.failed, **structs.asdict(view)))


def health() -> Response:
    """How this server process does."""
    sandbox, counts = parts().sandbox, services().counts()
    unwell = any(counts[status] for status in ("failed", "degraded", "quarantined"))
    safe_mode = parts().settings.safe_mode
    refuses = safe_mode or (sandbox is not None and sandbox.refuses)
    return reply(
        answers.Health(
            status="degraded" if unwell or refuses else "ok",
            version=parts().version,
            safe_mode=safe_mode,
            sandbox=_sandbox_answer(sandbox),
            live=counts["live"],
            degraded=counts["degraded"],
            starting=counts["starting"],
            asleep=counts["asleep"],
            failed=counts["failed"],
            quarantined=counts["quarantined"],
            disabled=counts["disabled"],
            stopped=counts["stopped"],
        )
    )


def _sandbox_answer(known: Sandbox | None) -> answers.SandboxAnswer:
    """As far as it is known: who asks for health must not be kept waiting by a zygote that warms up."""
    if known is None:
        return answers.SandboxAnswer(parts().settings.sandbox)
    return answers.SandboxAnswer(known.mode, known.complete, known.layers)
