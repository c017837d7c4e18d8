"""The frozen values that travel between the rooms of the server. They hold data, no behaviour beyond naming."""

from enum import StrEnum
from typing import Any

from msgspec import Struct, structs

from cadence.comparison import Comparison
from cadence_sdk._runtime.endpoint import Endpoint
from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.report import ExampleResult, Fault, HealthReport, Metadata, Requests, ToolSpec, TrialReport

__all__ = [
    "Addition",
    "CheckOptions",
    "CheckResult",
    "DependencyPlan",
    "Endpoint",
    "ExampleResult",
    "Fault",
    "Granted",
    "Grants",
    "HealthReport",
    "InstallKind",
    "InstallOptions",
    "InstallRecord",
    "InstallResult",
    "InstallState",
    "Limits",
    "Manifest",
    "Metadata",
    "PluginRef",
    "Requests",
    "Stage",
    "StageRecord",
    "ToolResult",
    "ToolSpec",
    "Trial",
    "TrialReport",
    "Upload",
    "VersionRecord",
]


class Stage(StrEnum):
    """The stages of an install, in order."""

    RECEIVE = "receive"
    ARCHIVE = "archive"
    EXISTS = "exists"
    INSPECT = "inspect"
    DEPENDENCIES = "dependencies"
    TRIAL = "trial"
    PUBLISH = "publish"
    ACTIVATE = "activate"


class InstallState(StrEnum):
    """Where an install stands. ``INTERRUPTED`` is one whose server died under it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class InstallKind(StrEnum):
    """What a run of the pipeline is for. A ``CHECK`` stops before it would publish anything."""

    INSTALL = "install"
    CHECK = "check"


class PluginRef(Struct, frozen=True):
    """One version of one plugin."""

    name: str
    version: str

    @property
    def slug(self) -> str:
        """``name-version``: the name of its folder, and of its archive before ``.zip``."""
        return f"{self.name}-{self.version}"

    @property
    def module(self) -> str:
        """The name its package is imported under in a worker."""
        return self.name.replace("-", "_")


class Upload(Struct, frozen=True):
    """An archive as it was received: where its bytes lie, what the client called it, how long they took to come."""

    path: str
    filename: str
    sha256: str
    size_bytes: int
    received_ms: float = 0.0


class Manifest(Struct, frozen=True):
    """What can be known of a plugin without running it.

    ``requirements`` are those that stand in its files as literals; ``requirements_complete`` is false where the
    list is computed, so that only the trial can tell. ``warnings`` are sentences that do not refuse the plugin.
    ``requests`` are what its metadata asks for, as far as that stands there as literals.
    """

    ref: PluginRef
    requirements: tuple[str, ...] = ()
    requirements_complete: bool = True
    warnings: tuple[str, ...] = ()
    requests: Requests = Requests()


class Grants(Struct, frozen=True):
    """What an operator permits one plugin beyond what every plugin may.

    ``network`` are the endpoints it may connect to, ``env`` the values it finds in its environment, by name. The
    others are as in :class:`~cadence_sdk._runtime.limits.Limits`; ``None`` leaves them to the server's settings.
    """

    network: tuple[Endpoint, ...] = ()
    memory_mb: int | None = None
    call_seconds: float | None = None
    cpu_percent: int | None = None
    processes: int | None = None
    threads: int | None = None
    open_files: int | None = None
    data_mb: int | None = None
    env: dict[str, str] = {}

    def limits(self, defaults: Limits) -> Limits:
        """The limits of the plugin, where ``defaults`` are those of the server."""
        given = {name: getattr(self, name) for name in Limits.__struct_fields__}
        return structs.replace(defaults, **{name: value for name, value in given.items() if value is not None})

    def withdraws(self, earlier: "Grants", defaults: Limits) -> bool:
        """Whether something was permitted earlier and is not any more: an endpoint, an environment value, processes.

        Less of what every plugin has, such as memory, withdraws nothing.
        """
        fewer = self.limits(defaults).processes < earlier.limits(defaults).processes
        return fewer or bool(earlier.env.keys() - self.env.keys()) or not all(map(self.permits, earlier.network))

    def permits(self, endpoint: Endpoint) -> bool:
        """Whether the plugin may connect there."""
        return endpoint in self.network or structs.replace(endpoint, private=True) in self.network

    def __repr__(self) -> str:
        # Environment values are secrets: they must not come into a log by way of a traceback or a debugger.
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "env"}
        return f"Grants({', '.join(f'{name}={value!r}' for name, value in shown.items())}, env={sorted(self.env)})"


class Granted(Struct, frozen=True):
    """The grants of a plugin as the index has them; ``revision`` rises with each change, 0 is: none were ever set."""

    grants: Grants = Grants()
    revision: int = 0


class InstallOptions(Struct, frozen=True):
    """How an upload is to be installed. ``activate`` ``None`` means: when it is the highest version.

    With ``upgrade`` its dependencies are resolved anew, where otherwise those are taken that were found last time.
    """

    force_overwrite: bool = False
    activate: bool | None = None
    upgrade: bool = False


class CheckOptions(InstallOptions, frozen=True):
    """How an upload is to be checked: as if it were installed with the same options.

    With ``trial`` packages that are not here are installed to try it out, and let go afterwards.
    """

    trial: bool = False


class StageRecord(Struct, frozen=True):
    """One stage of an install as it ran; ``ms`` is ``None`` while it runs.

    Of what is counted in it (packages) ``done`` are done of ``total``; a total of 0 is: nothing is counted.
    """

    stage: Stage
    ms: float | None = None
    done: int = 0
    total: int = 0


class Addition(Struct, frozen=True):
    """A package that a plugin brings: canonical name, exact version, and the requirement of the plugin behind it.

    ``size_bytes`` is the size of its wheel, None where it is not known.
    """

    name: str
    version: str
    requirement: str
    size_bytes: int | None = None


class DependencyPlan(Struct, frozen=True):
    """What a plugin's dependencies come to, before anything is installed.

    ``added`` go into its environment; ``provided`` are those of its requirements that every worker has, as
    ``name==version``. ``isolated`` says in sentences why it cannot share what workers have preloaded and gets an
    interpreter of its own; empty where it can. ``environment`` is the key of its environment, None without one, and
    ``ready`` whether that is there already.
    """

    added: tuple[Addition, ...] = ()
    provided: tuple[str, ...] = ()
    isolated: tuple[str, ...] = ()
    environment: str | None = None
    ready: bool = True

    @property
    def size_bytes(self) -> int | None:
        """What would be downloaded at most, in bytes; None where it is not known."""
        sizes = [one.size_bytes for one in self.added]
        known = [size for size in sizes if size is not None]
        return 0 if self.ready else sum(known) if len(known) == len(sizes) else None


class Trial(Struct, frozen=True):
    """What a version would be if it were installed: it passed every stage up to the trial, and nothing was kept.

    ``report`` is None where it was not tried, because ``plan`` has packages that would have to be installed first.
    """

    ref: PluginRef
    report: TrialReport | None
    dependencies: tuple[str, ...]
    warnings: tuple[str, ...]
    plan: DependencyPlan = DependencyPlan()


class InstallResult(Struct, frozen=True):
    """A plugin that was installed, with everything the seed's answer tells about it."""

    ref: PluginRef
    install_id: str
    extracted_to: str
    sha256: str
    dependencies_installed: tuple[str, ...]
    warnings: tuple[str, ...]
    tools: tuple[str, ...]
    activated: bool
    replaced: bool
    previous_version: str | None
    stages: tuple[StageRecord, ...]


class CheckResult(Struct, frozen=True):
    """A plugin that was checked and not installed.

    ``installed`` is whether this very version is here already, so that an install would have to overwrite it;
    ``would_activate`` whether it would answer then. ``comparison`` says what is different from the version that is
    active, or else the highest; None where none is installed. For ``kept_seconds`` its archive can be installed by a
    confirmation, without being sent again.
    """

    trial: Trial
    install_id: str
    installed: bool
    would_activate: bool
    stages: tuple[StageRecord, ...]
    comparison: Comparison | None = None
    kept_seconds: float = 0.0


class InstallRecord(Struct, frozen=True):
    """One run of the pipeline, also a failed or an unfinished one. ``created_at`` is UTC, ISO 8601.

    ``status`` is the HTTP status of the outcome and ``outcome`` the JSON that was or would have been answered;
    both are ``None`` while it runs. ``cancelling`` says that it was asked to end.
    """

    id: str
    filename: str
    state: InstallState
    created_at: str
    name: str | None = None
    version: str | None = None
    stages: tuple[StageRecord, ...] = ()
    status: int | None = None
    outcome: dict[str, Any] | None = None
    kind: InstallKind = InstallKind.INSTALL
    cancelling: bool = False


class VersionRecord(Struct, frozen=True):
    """One installed version as the index knows it.

    ``install_id`` tells two installs of the same version apart: it changes with every overwrite.
    ``environment`` is the key of its dependency environment, ``None`` without dependencies; ``isolated`` whether that
    holds all it imports, so that its worker is a fresh interpreter. ``source`` is ``upload`` or ``directory``.
    ``installed_at`` is UTC, ISO 8601. ``grants_revision`` is that of its plugin's grants. ``activated_at`` is when it
    last became active, None where it is not; ``quarantine`` why it was taken back, None where it was not.
    """

    ref: PluginRef
    install_id: str
    sha256: str
    size_bytes: int
    installed_at: str
    source: str
    active: bool
    report: TrialReport
    environment: str | None = None
    dependencies_installed: tuple[str, ...] = ()
    grants_revision: int = 0
    isolated: bool = False
    activated_at: str | None = None
    quarantine: str | None = None


class ToolResult(Struct, frozen=True):
    """What a tool answered; ``ms`` is the whole call as the server saw it."""

    result: Any
    plugin_version: str
    ms: float
