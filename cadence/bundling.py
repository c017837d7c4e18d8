"""A plugin's archive together with the wheels that it needs: made where there is a network, for where there is none."""

from importlib.metadata import version as distribution_version
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from cadence.config import Settings
from cadence.dependencies.environment import Environments
from cadence.dependencies.installation import VENDORED, Dependencies, Order, Planned
from cadence.dependencies.vendoring import Wheel
from cadence.errors import CadenceError, UploadTooLarge
from cadence.intake.disk import full_disk_refused
from cadence.intake.inspection import inspect
from cadence.intake.limits import ArchiveLimits, bytes_in_words
from cadence.intake.packing import identify, pack
from cadence.model import DependencyPlan, Manifest
from cadence.progress import Progress


class Bundle(Struct, frozen=True):
    """An archive that was packed, and what is in it.

    ``wheels`` are the files in its folder of wheels; their paths are gone, their names count. ``plan`` is what a
    server would add for the plugin. ``complete`` is false where the plugin computes its requirements, so that only
    those that its files state were seen.
    """

    archive: Path
    wheels: tuple[Wheel, ...]
    plan: DependencyPlan
    complete: bool


class _NoMemory:
    """Resolves anew each time, and leaves what the server remembers alone."""

    def find_resolution(self, inputs: str) -> str | None:
        return None

    def keep_resolution(self, inputs: str, environment: str, lock: str) -> None:
        pass


def bundle(directory: Path, into: Path, settings: Settings, progress: Progress) -> Bundle:
    """Pack a plugin's folder with the wheels of all it needs beside what every worker has.

    They are for this Python and this platform, and those that the plugin's folder has are taken first. In the archive
    they take the place of these; the folder itself is only read.

    :param into: the existing folder for the archive.
    :raises CadenceError: the one that says why this cannot be packed, or would be refused by a server with these
        settings; nothing is left in ``into`` then.
    """
    ref = identify(directory.resolve())
    manifest = inspect(directory, ref, distribution_version("cadence-sdk"))
    # Not in ``into``, which can be the very folder that is packed.
    with TemporaryDirectory(prefix="cadence-") as scratch, full_disk_refused("make the wheels"):
        folder = Path(scratch, VENDORED)
        folder.mkdir()
        dependencies = _dependencies(Path(scratch), settings)
        try:
            planned = _planned(directory, manifest, dependencies, settings, progress)
            wheels = dependencies.vendor(planned, progress, folder)
        except CadenceError as error:
            error.ref = ref
            raise
        _refuse_larger_than(settings.max_upload_bytes, sum(wheel.size_bytes for wheel in wheels))
        archive = pack(
            directory,
            into,
            ArchiveLimits.from_settings(settings),
            folders={VENDORED: folder} if wheels else {},
            max_bytes=settings.max_upload_bytes,
        )
    return Bundle(archive, wheels, planned.plan, manifest.requirements_complete)


def _dependencies(scratch: Path, settings: Settings) -> Dependencies:
    return Dependencies(
        Environments(scratch / "environments"),
        _NoMemory(),
        idle_seconds=settings.dependency_idle_seconds,
        wheelhouse=settings.wheelhouse,
        offline=settings.offline,
    )


def _planned(
    directory: Path, manifest: Manifest, dependencies: Dependencies, settings: Settings, progress: Progress
) -> Planned:
    """The plan, unless the index's own sizes tell that the wheels would be too much: that spares the download."""
    kept = directory / VENDORED
    order = Order(manifest.requirements, kept if kept.is_dir() else None)
    planned = dependencies.plan(order, progress, sizes=True)
    # The wheels may come out smaller than those of the index, if hardly to half of it.
    if (size := planned.plan.size_bytes or 0) > 2 * settings.max_upload_bytes:
        _refuse_larger_than(settings.max_upload_bytes, size)
    return planned


def _refuse_larger_than(max_bytes: int, size: int) -> None:
    if size > max_bytes:
        limit = f"{bytes_in_words(max_bytes)} (CADENCE_MAX_UPLOAD_BYTES)"
        raise UploadTooLarge(f"The wheels make it {bytes_in_words(size)}; this server takes {limit}")
