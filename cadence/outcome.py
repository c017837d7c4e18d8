"""The seed's JSON for what came of an install or of anything that was refused: made here once, shown everywhere."""

from typing import Any

from cadence.errors import CadenceError
from cadence.model import InstallResult


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
            "stages": [{"stage": stage.stage, "ms": stage.ms} for stage in result.stages],
        },
    }


def failure_json(error: CadenceError) -> dict[str, Any]:
    """Anything that was refused or failed, as the public JSON has it."""
    body: dict[str, Any] = {"success": False, "message": error.message}
    if error.ref is not None:
        body |= {"plugin_name": error.ref.name, "plugin_version": error.ref.version}
    body["details"] = error.details
    if error.faults:
        body["faults"] = [
            {"stage": fault.stage, "code": fault.code, "message": fault.message, "culprit": fault.culprit}
            for fault in error.faults
        ]
    return body
