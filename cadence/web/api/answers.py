"""The JSON of the API as types: what is encoded from them is also what the OpenAPI document says."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from cadence.comparison import Comparison
from cadence.config import SandboxMode
from cadence.model import Limits, ToolSpec
from cadence.web.incoming import IncomingUpload
from cadence.web.install_views import DependenciesView, InstallView
from cadence.web.overview import Overview
from cadence.web.packages import EnvironmentView
from cadence.web.present import GrantsShown, PluginView, ReloadedPlugin, Requested
from cadence_sdk._runtime.report import Layer


class StageTime(Struct, frozen=True):
    """One stage of an install and its milliseconds, null for one that was not finished.

    Where something was counted in it (packages), ``done`` of ``total`` were done.
    """

    stage: str
    ms: float | None
    done: int | UnsetType = UNSET
    total: int | UnsetType = UNSET


class InstallDetails(Struct, frozen=True):
    """What was installed."""

    extracted_to: str
    validation: str
    dependencies_installed: tuple[str, ...]
    sha256: str
    warnings: tuple[str, ...]
    tools: tuple[str, ...]
    activated: bool
    previous_version: str | None
    install_id: str
    stages: tuple[StageTime, ...]


class Uploaded(Struct, frozen=True, kw_only=True):
    """A plugin that was installed: 201, or 200 when it replaced the same version."""

    success: Literal[True] = True
    message: str
    plugin_name: str
    plugin_version: str
    details: InstallDetails


class CheckDetails(Struct, frozen=True):
    """What a check found. Without a trial ``tried`` is false, and a sentence in ``warnings`` says why.

    ``installed`` is whether this very version is installed already; ``to_install`` says what an install takes.
    ``comparison`` says what is different from the version that is active, or else the highest; null where none is
    installed. For ``kept_seconds`` the archive is kept: ``POST /api/v1/installs/{install_id}/confirm`` installs it.
    """

    validation: str
    tried: bool
    tools: tuple[str, ...]
    warnings: tuple[str, ...]
    dependencies: DependenciesView
    installed: bool
    would_activate: bool
    comparison: Comparison | None
    to_install: str
    kept_seconds: float
    install_id: str
    stages: tuple[StageTime, ...]


class Checked(Struct, frozen=True, kw_only=True):
    """A plugin that would be installed; nothing of it was kept."""

    success: Literal[True] = True
    message: str
    plugin_name: str
    plugin_version: str
    details: CheckDetails


class Accepted(Struct, frozen=True, kw_only=True):
    """An install that goes on in the background; ``Location`` says where it can be followed."""

    success: Literal[True] = True
    install_id: str
    message: str = "Install started"


class FaultAnswer(Struct, frozen=True):
    """One thing that is wrong, as data."""

    stage: str
    code: str
    message: str
    culprit: str | None
    line: str | UnsetType = UNSET


class Failure(Struct, frozen=True, omit_defaults=True):
    """Anything that was refused or failed. ``details`` is one sentence, or a list where there are several."""

    success: Literal[False]
    message: str
    details: str | list[str]
    plugin_name: str | None = None
    plugin_version: str | None = None
    faults: tuple[FaultAnswer, ...] = ()


class UploadedVersion(Struct, frozen=True):
    """One installed version. ``installed_at`` is UTC, ISO 8601.

    ``environment`` is the key of the packages that its dependencies came to, null where it brings none; ``isolated``
    whether it imports only those, in an interpreter of its own.
    """

    name: str
    version: str
    directory: str
    active: bool
    description: str
    sha256: str
    size_bytes: int
    installed_at: str
    dependencies_installed: tuple[str, ...]
    environment: str | None
    isolated: bool


class PluginList(Struct, frozen=True, kw_only=True):
    """Every plugin, by name."""

    success: Literal[True] = True
    plugins: tuple[PluginView, ...]


class PluginAnswer(Struct, frozen=True, kw_only=True):
    """One plugin with all its versions."""

    success: Literal[True] = True
    plugin: PluginView


class OverviewAnswer(Struct, frozen=True, kw_only=True):
    """What one plugin says of itself."""

    success: Literal[True] = True
    overview: Overview


class ToolList(Struct, frozen=True, kw_only=True):
    """The tools of the version that answers now."""

    success: Literal[True] = True
    plugin_name: str
    plugin_version: str
    tools: tuple[ToolSpec, ...]


class CallAnswer(Struct, frozen=True, kw_only=True):
    """What a tool answered: any JSON value, and how long the call took."""

    success: Literal[True] = True
    result: Any
    plugin_version: str
    ms: float


class GrantsAnswer(Struct, frozen=True, kw_only=True):
    """What a plugin was granted, the limits it has by that, and what it asks for.

    ``in_force`` says whether the worker that answers in this server runs with these grants, ``message`` the same in
    words, or why not; ``unmet`` has a sentence for each request that was not granted. A plugin that is not
    ``installed`` can be granted something ahead: its first install is tried with that. ``revision`` changes with every
    change of the grants; with it, one that somebody else made meanwhile is not undone by mistake.
    """

    success: Literal[True] = True
    plugin_name: str
    grants: GrantsShown
    limits: Limits
    requested: Requested
    in_force: bool
    message: str
    unmet: tuple[str, ...]
    installed: bool
    revision: int


class Reload(Struct, frozen=True):
    """What a reload did in this server process. ``success`` is false when a plugin could not be loaded."""

    success: bool
    message: str
    loaded: int
    healthy: int
    failed: int
    plugins: tuple[ReloadedPlugin, ...]


class InstallAnswer(Struct, frozen=True, kw_only=True):
    """One install, running or over."""

    success: Literal[True] = True
    install: InstallView


class LogLine(Struct, frozen=True):
    """One line of an install's log: ``n`` counts from 1, ``stage`` is the stage that said it."""

    n: int
    stage: str
    text: str


class InstallLog(Struct, frozen=True, kw_only=True):
    """Lines of an install's log, in order. Once ``state`` is not ``running``, no more will come."""

    success: Literal[True] = True
    lines: tuple[LogLine, ...]
    state: str


class EnvironmentList(Struct, frozen=True, kw_only=True):
    """The environments of packages that there are, the largest first."""

    success: Literal[True] = True
    environments: tuple[EnvironmentView, ...]


class InstallList(Struct, frozen=True, kw_only=True):
    """The latest installs, newest first."""

    success: Literal[True] = True
    installs: tuple[InstallView, ...]
    incoming: tuple[IncomingUpload, ...] = ()


class SandboxAnswer(Struct, frozen=True):
    """How plugins are confined on this host, layer by layer.

    ``complete`` says whether every layer is active; it is null, and there are no layers, until that is known, about a
    second after the start. With ``mode`` ``require`` no plugin runs where it is not true.
    """

    mode: SandboxMode
    complete: bool | None = None
    layers: tuple[Layer, ...] = ()


class Health(Struct, frozen=True, kw_only=True):
    """How this server process does: how many plugins stand how, and how they are confined.

    ``live`` answer, ``degraded`` answer though their health check fails, ``asleep`` are woken by a call; ``failed``,
    ``quarantined`` (taken back, with nothing to take their place), ``disabled`` and ``stopped`` do not answer.
    ``status`` is ``degraded`` when a plugin is degraded, failed or quarantined, or no plugin may run.
    """

    success: Literal[True] = True
    status: Literal["ok", "degraded"]
    version: str
    safe_mode: bool
    live: int
    degraded: int
    starting: int
    asleep: int
    failed: int
    quarantined: int
    disabled: int
    stopped: int
    sandbox: SandboxAnswer
