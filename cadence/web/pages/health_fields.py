"""What the section of health shows, by the address of the request: which checks, and both charts."""

from typing import Any

from flask import request
from msgspec import Struct

from cadence.errors import InvalidRequest
from cadence.intake.faults import printable
from cadence.web.charts import CallChart, LatencyChart, call_chart, latency_chart
from cadence.web.pages.services import services
from cadence.web.version_views import HealthHistory

PAGE_CHECKS = 60
"""So many checks are shown at once."""

_LARGEST_NUMBER = 2**63 - 1


class HealthShown(Struct, frozen=True):
    """What the section shows. ``before`` is the number of the check before which it begins, None for the latest."""

    history: HealthHistory
    latency: LatencyChart | None
    calls: CallChart | None
    before: int | None = None

    @property
    def address(self) -> dict[str, int]:
        """The address of what is shown, without where it begins."""
        return {} if self.before is None else {"before": self.before}


def health_fields(name: str) -> dict[str, Any]:
    """What the template takes. Raises as :meth:`Services.health`, and InvalidRequest for an address that is none."""
    before = _before()
    history = services().health(name, before, PAGE_CHECKS)
    shown = HealthShown(
        history, latency_chart(history.checks), call_chart(history.recent_calls, history.recent_errors), before
    )
    return {"health": shown, "address": shown.address}


def _before() -> int | None:
    text = request.args.get("before", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST_NUMBER))):
        raise InvalidRequest(f"before must be the number of a health check, not {printable(repr(text[:40]))}.")
    return min(int(text), _LARGEST_NUMBER)
