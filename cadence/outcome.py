"""The seed's JSON for what came of an install or of anything that was refused: made here once, shown everywhere."""

from collections.abc import Sequence
from typing import Any

from msgspec import to_builtins

from cadence.errors import CadenceError
from cadence.model import CheckResult, DependencyPlan, InstallResult, StageRecord


def outcome_of(result: InstallResult | CheckResult) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the public JSON of what succeeded."""
    if isinstance(result, CheckResult):
        return 200, check_json(result)
    return 200 if result.replaced else 201, success_json(result)


def success_json(result: InstallResult) -> dict[str, Any]:
    """A plugin that was installed, as the public JSON has it."""
    return {
        "success": True,
        "message": "Plugin uploaded and loaded successfully",
        "plugin_name": result.ref.name,
        "plugin_version": result.ref.version,
        "details": {
            "extracted_to": result.extracted_to,
            "validation": "passed",
            "dependencies_installed": list(result.dependencies_installed),
            "sha256": result.sha256,
            "warnings": list(result.warnings),
            "tools": list(result.tools),
            "activated": result.activated,
            "previous_version": result.previous_version,
            "install_id": result.install_id,
            "stages": stages_json(result.stages),
        },
    }


def check_json(result: CheckResult) -> dict[str, Any]:
    """A plugin that would be installed, as the public JSON has it."""
    trial = result.trial
    return {
        "success": True,
        "message": "Plugin is valid",
        "plugin_name": trial.ref.name,
        "plugin_version": trial.ref.version,
        "details": {
            "validation": "passed",
            "tried": trial.report is not None,
            "tools": [tool.name for tool in trial.report.tools] if trial.report else [],
            "warnings": list(trial.warnings),
            "dependencies": _plan_json(trial.plan),
            "installed": result.installed,
            "would_activate": result.would_activate,
            "comparison": to_builtins(result.comparison),
            "to_install": _TO_REPLACE if result.installed else _TO_INSTALL,
            "kept_seconds": result.kept_seconds,
            "install_id": result.install_id,
            "stages": stages_json(result.stages),
        },
    }


_TO_INSTALL = "Upload it to install it."
_TO_REPLACE = "This version is installed already. Use force_overwrite=true to replace"


def _plan_json(plan: DependencyPlan) -> dict[str, Any]:
    added = [
        {"name": one.name, "version": one.version, "size_bytes": one.size_bytes, "requirement": one.requirement}
        for one in plan.added
    ]
    return {
        "added": added,
        "provided": list(plan.provided),
        "isolated": list(plan.isolated),
        "size_bytes": plan.size_bytes,
        "ready": plan.ready,
    }


def stages_json(stages: Sequence[StageRecord]) -> list[dict[str, Any]]:
    """The stages of an install with their times; with counts where something was counted."""
    return [
        {"stage": one.stage, "ms": one.ms} | ({"done": one.done, "total": one.total} if one.total else {})
        for one in stages
    ]


def failure_json(error: CadenceError) -> dict[str, Any]:
    """Anything that was refused or failed, as the public JSON has it."""
    body: dict[str, Any] = {"success": False, "message": error.message}
    if error.ref is not None:
        body |= {"plugin_name": error.ref.name, "plugin_version": error.ref.version}
    body["details"] = error.details
    if error.faults:
        body["faults"] = [
            {"stage": fault.stage, "code": fault.code, "message": fault.message, "culprit": fault.culprit}
            | ({"line": fault.line} if fault.line is not None else {})
            for fault in error.faults
        ]
    return body
