"""Made-up services of permissions, of what plugins take of them, and of the history of health."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from msgspec import convert, structs

from cadence.errors import NotFound
from cadence.expectation import Outdated
from cadence.grants import parse_grants, plain_grants
from cadence.history import CheckKind, CheckRecord
from cadence.model import Grants, Limits
from cadence.runtime.usage import Usage
from cadence.web.present import GrantsShown, GrantsView, PluginView, Requested
from cadence.web.usage import UsageView, usage_view

MIB = 1024 * 1024
TAKEN = Usage(memory_bytes=83 * MIB, cpu_percent=12.5, threads=4, open_files=31, disk_bytes=5 * MIB)


def busy_hour(*, errors: bool = True) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Calls and errors by minute, as of a plugin that is called now and then."""
    calls = tuple((minute * 7) % 19 if minute % 4 else 0 for minute in range(60))
    return calls, tuple(called // 5 if errors and minute % 6 == 1 else 0 for minute, called in enumerate(calls))


def many_checks(count: int, every_minutes: float = 5.0) -> list[CheckRecord]:
    """So many checks, the latest first, of which some failed."""
    now = datetime.now(UTC)
    return [
        CheckRecord(
            version="1.0.0",
            at=(now - timedelta(minutes=every_minutes * place)).isoformat(timespec="milliseconds"),
            kind=CheckKind.SCHEDULED,
            healthy=place % 17 != 5,
            ms=2.0 + (place * 37 % 60) / 4 + (900 if place % 17 == 5 else 0),
            words="" if place % 17 != 5 else "The database does not answer.",
            n=count - place,
        )
        for place in range(count)
    ]


class MadeUpUsage:
    """What others grant meanwhile is granted with :meth:`grant` too: each change has a revision of its own."""

    installed: list[PluginView]

    def __init__(self) -> None:
        self.default_limits = Limits()
        self.granted: dict[str, Grants] = {}
        self.requested = Requested()
        self.revisions: dict[str, int] = {}
        self.usages: dict[str, Usage | None] = {}

    def grants(self, name: str, *, ahead: bool = False) -> GrantsView:
        """What a plugin was granted in this run."""
        grants, installed = self.granted.get(name, Grants()), self._is_installed(name)
        if not installed and not ahead and grants == Grants():
            raise NotFound(f"No plugin {name!r} is installed.")
        return GrantsView(
            plugin_name=name,
            grants=convert(plain_grants(grants), GrantsShown),
            limits=grants.limits(self.default_limits),
            requested=self.requested if installed else Requested(),
            in_force=installed,
            message=f"The worker of {name} that answers now runs with these."
            if installed
            else f"{name} is not installed; nothing is granted to it.",
            installed=installed,
            revision=self.revisions.get(name, 0),
        )

    def grant(self, name: str, raw: Mapping[str, object], revision: int | None = None) -> GrantsView:
        """Grant what the server's own validation lets through."""
        if revision is not None and revision != self.revisions.get(name, 0):
            raise Outdated("They changed.")
        self.granted[name] = parse_grants(raw, self.granted.get(name, Grants()))
        self.revisions[name] = self.revisions.get(name, 0) + 1
        return self.grants(name, ahead=True)

    def usage(self, name: str) -> UsageView:
        """What it takes; of None nothing is known yet."""
        if not self._is_installed(name):
            raise NotFound(f"No plugin {name!r} is installed.")
        usage = self.usages.get(name, TAKEN)
        limits = self.granted.get(name, Grants()).limits(self.default_limits)
        if usage is None:
            return UsageView(name, awake=False)
        return structs.replace(usage_view(name, usage, limits, awake=usage.memory_bytes > 0), at="2026-01-01T00:00:00Z")

    def _is_installed(self, name: str) -> bool:
        return any(view.name == name for view in self.installed)
