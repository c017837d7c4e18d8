"""Health: how this server does, how a plugin does and did, and asking a plugin now."""

from typing import Literal

from flask import Response
from msgspec import Struct, structs

from cadence.history import CheckRecord
from cadence.model import ExampleResult
from cadence.sandbox import Sandbox
from cadence.web.api import answers
from cadence.web.api.plugins import services
from cadence.web.api.replies import reply
from cadence.web.present import HealthView, PluginStatus
from cadence.web.services import parts


class HealthAnswer(Struct, frozen=True, kw_only=True):
    """How a plugin stands, and its latest checks, newest first. Asking wakes nothing.

    ``plugin_version`` is the active version, or else the highest. ``is_new`` is whether it is on probation.
    """

    success: Literal[True] = True
    plugin_name: str
    plugin_version: str
    status: PluginStatus
    status_words: str
    health: HealthView
    is_new: bool
    checks: tuple[CheckRecord, ...]


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
    return reply(HealthAnswer(**structs.asdict(services().health(name))))


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
