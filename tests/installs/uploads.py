"""Uploads to a runtime without a web server, and where a plugin can be held while it is tried out."""

from typing import Any

from cadence.config import Settings
from cadence.model import CheckOptions, CheckResult, InstallOptions, InstallRecord, InstallState, Upload
from cadence.parts import Parts
from tests.building import archive_bytes, plugin_files
from tests.server.process import await_true

GATED = """
    import os, pathlib, time
    from cadence_sdk import tool

    data = pathlib.Path(os.environ["CADENCE_PLUGIN_DATA"])
    (data / "waiting").touch()
    while not (data / "go").exists():
        time.sleep(0.01)

    @tool
    def add(a: int, b: int) -> int:
        "Add."
        return a + b

    TOOLS = [add]
"""


class Gate:
    """Where a plugin waits while it is tried out."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._folder = settings.instance / "data" / name

    @property
    def is_waiting(self) -> bool:
        return (self._folder / "waiting").exists()

    def await_waiting(self) -> None:
        await_true(lambda: self.is_waiting, "the trial")

    def open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "go").touch()


def received(parts: Parts, name: str = "demo_plugin", version: str = "1.0.0", **files: Any) -> Upload:
    """A plugin as it is received; what is given is as in :func:`tests.building.plugin_files`."""
    with parts.serving.receive() as file:
        file.write(archive_bytes(plugin_files(name, version, **files)))
        return file.finish(f"{name}-{version}.zip")


def submit(
    parts: Parts, name: str = "demo_plugin", version: str = "1.0.0", *, check: bool = False, **files: Any
) -> str:
    options = CheckOptions() if check else InstallOptions()
    return parts.serving.installer.submit(received(parts, name, version, **files), options)


def check(parts: Parts, options: CheckOptions | None = None, **files: Any) -> CheckResult:
    return parts.serving.installer.check(received(parts, **files), options or CheckOptions())


def record(parts: Parts, install_id: str) -> InstallRecord:
    found = parts.serving.installer.record(install_id)
    assert found is not None
    return found


def await_success(parts: Parts, install_id: str) -> InstallRecord:
    await_true(lambda: record(parts, install_id).state is not InstallState.RUNNING, "the install's end")
    assert record(parts, install_id).state is InstallState.SUCCEEDED
    return record(parts, install_id)
