"""Installs and checks as they are shown, on the pages and in the JSON API: frozen values, and the words for them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, convert
from msgspec.structs import replace

from cadence.comparison import Comparison
from cadence.errors import PluginExists
from cadence.model import InstallKind, InstallRecord, InstallState, Stage, StageRecord

StageState = Literal["pending", "running", "done", "failed"]

STAGE_SENTENCES: Mapping[Stage, str] = {
    Stage.RECEIVE: "Receiving the file",
    Stage.ARCHIVE: "Unpacking the archive",
    Stage.EXISTS: "Comparing with what is installed",
    Stage.INSPECT: "Reading the plugin's files",
    Stage.DEPENDENCIES: "Installing what the plugin needs",
    Stage.TRIAL: "Trying the plugin out in a sandbox",
    Stage.PUBLISH: "Publishing the plugin",
    Stage.ACTIVATE: "Switching over",
}

CHECK_SENTENCES: Mapping[Stage, str] = {Stage.DEPENDENCIES: "Finding out what the plugin needs"}
"""What a check says in the place of an install's words."""

CHECK_STAGES = tuple(stage for stage in Stage if stage not in (Stage.PUBLISH, Stage.ACTIVATE))

STAGE_LABELS: Mapping[Stage, str] = {
    Stage.RECEIVE: "Receive",
    Stage.ARCHIVE: "Unpack",
    Stage.EXISTS: "Compare",
    Stage.INSPECT: "Inspect",
    Stage.DEPENDENCIES: "Dependencies",
    Stage.TRIAL: "Trial",
    Stage.PUBLISH: "Publish",
    Stage.ACTIVATE: "Activate",
}


EXISTS_WORDS = "This version is installed already. To replace it, check Force overwrite and upload it again."
"""What the page says where the API says ``Use force_overwrite=true to replace``."""


REPLACED_STATUS = 200
"""The HTTP status of an install that replaced a copy of the same version; a new one has 201."""


class StageView(Struct, frozen=True):
    """One stage of an install; ``ms`` is known once it is over.

    Where something is counted in it (packages), ``done`` of ``total`` are done.
    """

    stage: Stage
    label: str
    state: StageState
    ms: float | None = None
    done: int | UnsetType = UNSET
    total: int | UnsetType = UNSET

    @property
    def count(self) -> str:
        """How much is done, in words; empty where nothing is counted."""
        return f"{self.done} of {self.total} package{'' if self.total == 1 else 's'}" if self.total else ""


class FaultView(Struct, frozen=True):
    """One thing that was wrong: a sentence, and where known what is at fault and which stage found it.

    Where ``culprit`` names a line of a file, ``line`` is what stands there. ``code`` is the stable name of the fault.
    """

    message: str
    culprit: str | None = None
    stage: str | None = None
    line: str | None = None
    code: str | None = None


class AddedPackage(Struct, frozen=True):
    """A package that a plugin would bring, and the requirement it is for; the size is null where it is not known."""

    name: str
    version: str
    size_bytes: int | None
    requirement: str


class DependenciesView(Struct, frozen=True):
    """What the dependencies of a plugin come to.

    ``provided`` is there already for every plugin. ``isolated`` says in sentences why the plugin gets an interpreter
    of its own, with ``added`` all that it imports. ``size_bytes`` is what would be downloaded at most, null where that
    is not known; with ``ready`` that is nothing, since its packages are here.
    """

    added: tuple[AddedPackage, ...]
    provided: tuple[str, ...]
    isolated: tuple[str, ...]
    size_bytes: int | None
    ready: bool


class CheckView(Struct, frozen=True):
    """What a check found. ``installed`` is whether this very version is here, so that it would be overwritten.

    ``comparison`` is with the version that was active then, or else the highest; null where there was none.
    """

    tried: bool
    tools: tuple[str, ...]
    dependencies: DependenciesView
    installed: bool
    would_activate: bool
    comparison: Comparison | None = None


class InstallView(Struct, frozen=True):
    """One install: all its stages, the result in a sentence, every fault. ``created_at`` is UTC, ISO 8601.

    Of the ``kind`` ``check`` it stops before it would publish, and ``check`` is what it found; ``confirmable`` says
    that what was checked is still here, to be installed by a confirmation. ``cancelling`` says that it was asked to
    end; ``retryable`` that it did not succeed and its archive is still here, ``exists`` that it failed because this
    version is installed. ``tools`` are those of what was installed.
    """

    id: str
    filename: str
    state: InstallState
    created_at: str
    stages: tuple[StageView, ...]
    result: str
    plugin_name: str | None = None
    plugin_version: str | None = None
    faults: tuple[FaultView, ...] = ()
    warnings: tuple[str, ...] = ()
    kind: InstallKind = InstallKind.INSTALL
    cancelling: bool = False
    check: CheckView | None = None
    confirmable: bool = False
    retryable: bool = False
    exists: bool = False
    tools: tuple[str, ...] = ()
    activated: bool = False

    @property
    def noun(self) -> str:
        """What it is called."""
        return "Check" if self.kind is InstallKind.CHECK else "Install"

    @property
    def poll(self) -> bool:
        """Whether it still runs, so that asking again is of use."""
        return self.state is InstallState.RUNNING


def install_view(record: InstallRecord, *, kept: bool = False) -> InstallView:
    """An install as it is shown, running or over; ``kept`` is whether its archive is still here."""
    outcome = record.outcome or {}
    details = outcome.get("details")
    is_check = record.kind is InstallKind.CHECK
    found = is_check and record.state is InstallState.SUCCEEDED
    return InstallView(
        id=record.id,
        filename=record.filename,
        state=record.state,
        created_at=record.created_at,
        stages=stage_views(record.stages, record.state, CHECK_STAGES if is_check else tuple(Stage)),
        result=_result_sentence(record),
        plugin_name=record.name,
        plugin_version=record.version,
        faults=_fault_views(outcome) if record.state is not InstallState.SUCCEEDED else (),
        warnings=tuple(details.get("warnings", ())) if isinstance(details, dict) else (),
        kind=record.kind,
        cancelling=record.cancelling and record.state is InstallState.RUNNING,
        check=convert(details, CheckView) if found else None,
        confirmable=found and kept,
        retryable=kept and record.state in _UNSUCCESSFUL,
        exists=outcome.get("message") == PluginExists.message,
        tools=_tools(details),
        activated=isinstance(details, dict) and bool(details.get("activated")),
    )


_UNSUCCESSFUL = frozenset({InstallState.FAILED, InstallState.CANCELLED, InstallState.INTERRUPTED})


def _tools(details: object) -> tuple[str, ...]:
    return tuple(map(str, details.get("tools", ()))) if isinstance(details, dict) else ()


def stage_views(
    records: Sequence[StageRecord], state: InstallState, stages: Sequence[Stage] = tuple(Stage)
) -> tuple[StageView, ...]:
    """All stages, also those that were not reached, from the records of those that were."""
    reached = {record.stage: record for record in records}
    last = records[-1].stage if records else None
    return tuple(_stage_view(stage, reached.get(stage), last, state) for stage in stages)


def _stage_view(stage: Stage, record: StageRecord | None, last: Stage | None, state: InstallState) -> StageView:
    if record is None:
        return StageView(stage, STAGE_LABELS[stage], "pending")
    view = StageView(stage, STAGE_LABELS[stage], _stage_state(record, last, state), record.ms)
    return replace(view, done=record.done, total=record.total) if record.total else view


def _stage_state(record: StageRecord, last: Stage | None, state: InstallState) -> StageState:
    if state is InstallState.RUNNING:
        return "running" if record.ms is None else "done"
    return "failed" if record.stage is last and state is not InstallState.SUCCEEDED else "done"


def _fault_views(outcome: Mapping[str, Any]) -> tuple[FaultView, ...]:
    """The faults of a failure: as data where the outcome has them, else its sentences."""
    if outcome.get("message") == PluginExists.message:
        return (FaultView(EXISTS_WORDS, stage=Stage.EXISTS),)
    faults = outcome.get("faults")
    if faults:
        return tuple(
            FaultView(fault["message"], fault.get("culprit"), fault.get("stage"), fault.get("line"), fault.get("code"))
            for fault in faults
        )
    details = outcome.get("details") or ()
    sentences = (details,) if isinstance(details, str) else details
    return tuple(FaultView(str(sentence)) for sentence in sentences)


def _result_sentence(record: InstallRecord) -> str:
    is_check = record.kind is InstallKind.CHECK
    if record.state is InstallState.RUNNING:
        return _running_sentence(record)
    if record.state is InstallState.SUCCEEDED:
        return _found_sentence(record) if is_check else _success_sentence(record)
    if record.state is InstallState.CANCELLED:
        return f"The {record.kind} was cancelled. Nothing was changed."
    if record.state is InstallState.INTERRUPTED:
        return str((record.outcome or {}).get("details") or "The server ended during it. Nothing was changed.")
    return f"{(record.outcome or {}).get('message', f'The {record.kind} failed')}. Nothing was changed."


def _running_sentence(record: InstallRecord) -> str:
    if record.cancelling:
        return "Cancelling"
    if not record.stages:
        return "Waiting for its turn"
    stage = record.stages[-1].stage
    words = CHECK_SENTENCES if record.kind is InstallKind.CHECK else {}
    return words.get(stage, STAGE_SENTENCES[stage])


def _found_sentence(record: InstallRecord) -> str:
    details = (record.outcome or {}).get("details")
    facts = details if isinstance(details, dict) else {}
    added = len(facts.get("dependencies", {}).get("added", ()))
    tried = "" if facts.get("tried", True) else ", as far as that can be told without a trial"
    brings = f" It brings {added} package{'' if added == 1 else 's'}." if added else ""
    return f"{record.name} {record.version} is valid{tried}.{brings} Nothing was installed."


def _success_sentence(record: InstallRecord) -> str:
    details = (record.outcome or {}).get("details")
    facts = details if isinstance(details, dict) else {}
    plugin = f"{record.name} {record.version}"
    if not facts.get("activated", True):
        return f"{plugin} is installed. It is not the active version."
    previous = facts.get("previous_version")
    if record.status == REPLACED_STATUS or previous == record.version:
        return f"{plugin} replaced the copy that was installed, and answers now."
    if previous:
        return f"{plugin} is installed and has taken over from {previous}."
    return f"{plugin} is installed and answers now."
