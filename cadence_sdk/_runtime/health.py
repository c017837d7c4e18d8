"""Runs a plugin's health check and turns whatever comes of it into a report."""

import time
from typing import Any

import msgspec

from cadence_sdk._runtime.exhaustion import named_limits
from cadence_sdk._runtime.failure import describe, text_of
from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.report import HealthReport
from cadence_sdk._runtime.results import to_json
from cadence_sdk.base.plugin import BasePlugin


def check_health(plugin: type[BasePlugin], limits: Limits | None = None) -> HealthReport:
    """Run a plugin class's health check; never raises.

    :param limits: those it is under: one that it came to is named.
    """
    started = time.perf_counter()
    try:
        outcome: Any = plugin.health_check()
        if not isinstance(outcome, dict):
            raise TypeError(f"health_check() returned {type(outcome).__name__} instead of a dict")
        if not isinstance(outcome.get("healthy"), bool):
            raise TypeError("health_check() returned no 'healthy' that is True or False")
        report = _health_report(outcome)
    except BaseException as error:  # noqa: BLE001  (a plugin's own code may raise anything, SystemExit too)
        report = HealthReport(healthy=False, error=" ".join((describe(error), *named_limits(error, limits))))
    return msgspec.structs.replace(report, ms=(time.perf_counter() - started) * 1000)


def _health_report(outcome: dict[Any, Any]) -> HealthReport:
    checks = _as_data(outcome.get("checks") or {})
    error = outcome.get("error")
    return HealthReport(
        healthy=outcome["healthy"],
        details=_as_data(outcome.get("details")),
        checks=checks if isinstance(checks, dict) else {"checks": checks},
        error=None if error is None else text_of(error),
    )


def _as_data(value: Any) -> Any:
    return msgspec.json.decode(to_json(value))
