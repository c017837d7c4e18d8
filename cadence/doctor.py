"""What ``flask doctor`` and the System page say of this server: each thing it needs, whether it is there, what to do.

Looking changes nothing that lasts: a file to try a link with is gone again, and a runtime that was started for it too.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib.metadata import version as distribution_version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import uv
from msgspec import Struct

from cadence.config import MIB, Settings
from cadence.errors import CadenceError
from cadence.parts import Parts
from cadence.sandbox import VARIABLE, Sandbox, remedy
from cadence.storage.integrity import damage
from cadence_sdk._runtime.report import Layer

_UV_SECONDS = 10.0


class State(StrEnum):
    """How a check went; only ``FAILED`` is something that has to be mended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Check(Struct, frozen=True):
    """One thing that was looked at: what is there, in words, and where something is wrong what to do about it."""

    name: str
    state: State
    words: str
    remedy: str | None = None


class Host(Struct, frozen=True):
    """What the server runs on."""

    cadence: str
    sdk: str
    python: str
    kernel: str
    user: str


class Diagnosis(Struct, frozen=True):
    """All checks. ``sandbox`` is None where it could not be found out."""

    host: Host
    sandbox: Sandbox | None
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing has to be mended."""
        return all(check.state is not State.FAILED for check in self.checks)


def host() -> Host:
    """The versions and the user of this process."""
    return Host(
        cadence=distribution_version("cadence"),
        sdk=distribution_version("cadence-sdk"),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        kernel=f"{platform.system()} {platform.release()}, {platform.machine()}",
        user="root (user id 0)" if os.geteuid() == 0 else f"user id {os.geteuid()}",
    )


def diagnose(parts: Parts) -> Diagnosis:
    """Look at everything. Takes about a second, the time a runtime needs to warm up.

    :param parts: of this process; their runtime is started, and theirs to close.
    """
    sandbox, checks = _sandbox(parts)
    return Diagnosis(host(), sandbox, (*_surroundings(parts), *checks))


def _sandbox(parts: Parts) -> tuple[Sandbox | None, tuple[Check, ...]]:
    try:
        sandbox = parts.start().sandbox.await_known()
    except Exception as error:  # noqa: BLE001  (whatever it is, it is what the doctor was asked for)
        words = error.in_words if isinstance(error, CadenceError) else f"{type(error).__name__}: {error}"
        return None, (Check("runtime", State.FAILED, f"No plugin can be started. {words}", "Mend what it names."),)
    return sandbox, tuple(sandbox_checks(sandbox))


def sandbox_checks(sandbox: Sandbox) -> Iterator[Check]:
    """The sandbox as a whole, then each layer."""
    missing = State.FAILED if sandbox.refuses else State.WARNING
    if sandbox.is_off:
        remedy_ = f"Start the server with {VARIABLE}=prefer, or without that variable."
        yield Check("sandbox", State.WARNING, f"{sandbox.warning} ({VARIABLE}=off)", remedy_)
        return
    words = sandbox.warning or f"All {len(sandbox.layers)} layers are active."
    yield Check("sandbox", State.OK if sandbox.complete else missing, f"{words} ({VARIABLE}={sandbox.mode})")
    for layer in sandbox.layers:
        yield _layer_check(layer, missing)


def _layer_check(layer: Layer, missing: State) -> Check:
    name = f"layer: {layer.name}"
    if not layer.active:
        return Check(name, missing, f"Missing: {layer.reason or 'the host does not have it'}.", remedy(layer))
    if layer.reason:
        return Check(name, State.OK, f"Active, and weaker than it could be: {layer.reason}.")
    return Check(name, State.OK, f"Active. {layer.protects}")


def _surroundings(parts: Parts) -> Iterator[Check]:
    settings = parts.settings
    here = host()
    yield Check("versions", State.OK, f"Cadence {here.cadence}, SDK {here.sdk}, {here.python}")
    yield Check("host", State.OK, f"{here.kernel}; this is {here.user}")
    yield _instance(settings.instance)
    yield _links(settings)
    yield _disk(settings)
    yield _uv()
    yield _index(parts)
    servers = parts.servers()
    alive = ", ".join(f"process {pid}" for pid in servers.values())
    yield Check("servers", State.OK, f"{len(servers)} alive: {alive}" if servers else "None is running.")


def _instance(folder: Path) -> Check:
    try:
        with NamedTemporaryFile(dir=folder, prefix="doctor-") as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        words = f"{folder} cannot be written to: {error.strerror}."
        return Check("instance", State.FAILED, words, "Let the server's user write there, or set CADENCE_INSTANCE.")
    return Check("instance", State.OK, f"{folder} can be written to.")


def _links(settings: Settings) -> Check:
    """Whether a plugin's files can be linked to where its workers read them (see :mod:`cadence.storage.tree`)."""
    try:
        with NamedTemporaryFile(dir=settings.plugin_dir, prefix=".doctor-") as file:
            link = settings.instance / Path(file.name).name
            os.link(file.name, link)
            link.unlink()
    except OSError as error:
        return Check(
            "stores",
            State.WARNING,
            f"Plugins are copied for each worker, not linked: hard links from {settings.plugin_dir} to"
            f" {settings.instance} are not possible ({error.strerror}).",
            "Put both on one file system (CADENCE_STORE_PLUGIN, CADENCE_INSTANCE): workers start faster then.",
        )
    return Check("stores", State.OK, f"Hard links work from {settings.plugin_dir} to the instance.")


def _disk(settings: Settings) -> Check:
    """Whether there is room for the largest plugin that is taken, beside the copy it may replace."""
    needed = settings.max_upload_bytes + 2 * settings.max_unpacked_bytes
    folders = {"the instance": settings.instance, "plugins": settings.plugin_dir, "archives": settings.archive_dir}
    free = {name: shutil.disk_usage(folder).free for name, folder in folders.items()}
    name, least = min(free.items(), key=lambda item: item[1])
    words = f"{least // MIB:,} MiB are free for {name}"
    if least >= needed:
        return Check("disk", State.OK, f"{words}.")
    too_little = f"{words}, and the largest install that is allowed takes {needed // MIB:,} MiB."
    return Check("disk", State.WARNING, too_little, "Free some space, or allow less (CADENCE_MAX_UNPACKED_BYTES).")


def _uv() -> Check:
    """Whether what installs dependencies is there and runs."""
    try:
        command = [uv.find_uv_bin(), "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_UV_SECONDS, check=True)  # noqa: S603  (found by its own package)
    except (OSError, subprocess.SubprocessError) as error:
        mend = (
            "Install the package uv into the server's environment again. Plugins without dependencies do not need it."
        )
        return Check("uv", State.FAILED, f"uv cannot be run: {error}", mend)
    return Check("uv", State.OK, f"{done.stdout.strip()} installs what plugins need.")


def _index(parts: Parts) -> Check:
    wrong = damage(parts.index)
    if wrong is not None:
        mend = "Restore a backup of the instance, or move index.db away: the archives can be uploaded again."
        return Check("index", State.FAILED, f"The index is damaged: {wrong}", mend)
    records = parts.index.versions()
    names = {record.ref.name for record in records}
    return Check("index", State.OK, f"Whole; {_count(len(names), 'plugin')}, {_count(len(records), 'version')}.")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as plain data, with what follows from it."""
    sandbox = diagnosis.sandbox
    return {
        "healthy": diagnosis.healthy,
        "host": diagnosis.host,
        "sandbox": sandbox and {"mode": sandbox.mode, "complete": sandbox.complete, "layers": sandbox.layers},
        "checks": diagnosis.checks,
    }


Say = Callable[[str], None]
MARKS = {State.OK: "ok", State.WARNING: "WARNING", State.FAILED: "FAILED"}


def tell(diagnosis: Diagnosis, say: Say) -> None:
    """The diagnosis as lines of text: state, name, words; below them what to do."""
    state_width = max(map(len, MARKS.values()))
    name_width = max(len(check.name) for check in diagnosis.checks)
    for check in diagnosis.checks:
        say(f"{MARKS[check.state]:<{state_width}}  {check.name:<{name_width}}  {check.words}")
        if check.remedy:
            say(f"{'':<{state_width + name_width + 2}}  What to do: {check.remedy}")
    say(_verdict(diagnosis))


def _verdict(diagnosis: Diagnosis) -> str:
    if not diagnosis.healthy:
        return "Something has to be mended."
    if all(check.state is State.OK for check in diagnosis.checks):
        return "Everything is as it should be."
    return "The server can run, but not everything is as it should be."
