"""Make a correctly named archive from a plugin's folder, the same bytes from the same files every time."""

import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from cadence.errors import InvalidArchive, InvalidFilename, UploadTooLarge, ValidationFailed
from cadence.intake.archive import extract
from cadence.intake.disk import full_disk_refused
from cadence.intake.faults import bounded, printable, quoted
from cadence.intake.filename import parse_filename
from cadence.intake.limits import ArchiveLimits, bytes_in_words
from cadence.intake.metadata import StatedMetadata, find_metadata
from cadence.intake.names import Resolver
from cadence.intake.requirements import InvalidProjectError, load_project
from cadence.intake.sources import Package, reachable_modules
from cadence.intake.stack import on_deep_stack
from cadence.intake.tree import JUNK
from cadence.model import Fault, PluginRef, Stage, Upload

# The earliest time a ZIP file can hold (APPNOTE 4.4.6): equal files make equal archives, whenever they were written.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = JUNK | {".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
# What these hold is compressed already: to do it again takes time on both sides and saves nothing.
_COMPRESSED = frozenset({".whl"})
_NO_FOLDERS: Mapping[str, Path] = MappingProxyType({})


def pack(
    directory: Path,
    into: Path,
    limits: ArchiveLimits,
    *,
    folders: Mapping[str, Path] = _NO_FOLDERS,
    max_bytes: int | None = None,
) -> Path:
    """Pack a plugin's folder, and unpack the result once to make sure that a server with these limits will take it.

    Name and version come from the folder's name when it is ``name-version``, else from literal ``PluginMetadata``,
    else from ``pyproject.toml``. Caches, ``.git``, ``.venv`` and compiled modules are left out.

    :param directory: the plugin's folder, with its ``__init__.py``.
    :param into: the existing folder for the archive; an archive of the same name in it is replaced.
    :param folders: more for the archive: by its name at the top of it, a folder that lies elsewhere. What the plugin's
        folder has under such a name is left out.
    :param max_bytes: the largest archive that the server takes.
    :returns: the archive's path.
    :raises InvalidFilename: when no name and version are found that an archive can have.
    :raises InvalidArchive: with every fault found, when an upload of the archive would be refused.
    :raises UploadTooLarge: when the archive has more than ``max_bytes``.
    :raises ValidationFailed: when the folder is not a plugin's.
    :raises StorageFull: when the disk has no room.
    """
    directory = directory.resolve()
    if not (directory / "__init__.py").is_file():
        message = "Missing required file: __init__.py"
        raise ValidationFailed(faults=[Fault(Stage.INSPECT, "missing_file", message, "__init__.py")])
    target = into / f"{identify(directory).slug}.zip"
    files = _checked_files(directory, folders, limits)
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=into) as scratch, full_disk_refused("write the archive"):
        written = Path(scratch, target.name)
        _write(files, written)
        _refuse_larger_than(max_bytes, written.stat().st_size)
        extract(Upload(str(written), target.name, "", written.stat().st_size), Path(scratch, "unpacked"), limits)
        written.replace(target)
    return target


def identify(directory: Path) -> PluginRef:
    """Tell a plugin folder's name and version.

    :raises InvalidFilename: when neither the folder's name nor the files in it tell them, or when an archive of that
        name would be read as another plugin.
    """
    try:
        return parse_filename(f"{directory.name}.zip")
    except InvalidFilename:
        name, version = _stated(directory)
    ref = parse_filename(f"{name}-{version}.zip")
    if (ref.name, ref.version) != (name, version):
        message = f"{quoted(f'{name}-{version}.zip')} would be read as version {ref.version} of {ref.name}; rename it"
        raise InvalidFilename(message)
    return ref


def _stated(directory: Path) -> tuple[str, str]:
    try:
        project = load_project(directory)
    except InvalidProjectError:
        project = {}
    metadata = on_deep_stack(lambda: _literal_metadata(directory))
    said = (metadata.literal("name"), metadata.literal("version")) if metadata else (None, None)
    for name, version in (said, (project.get("name"), project.get("version"))):
        if isinstance(name, str) and isinstance(version, str):
            return name, version
    raise InvalidFilename(
        f"{quoted(directory.name)} tells no name and version; name the folder like math_plugin-1.0.0, "
        "or write them as literals into PluginMetadata or pyproject.toml"
    )


def _literal_metadata(directory: Path) -> StatedMetadata | None:
    package = Package(directory, directory.name.replace("-", "_"))
    return find_metadata(Resolver(package), reachable_modules(package, (), ("plugin",)))


def _checked_files(directory: Path, folders: Mapping[str, Path], limits: ArchiveLimits) -> dict[str, Path]:
    """The files to pack by their names in the archive, sorted; what cannot be packed is refused before a byte is."""
    files, faults = _files(directory, folders), []
    for name, path in files.items():
        if not stat.S_ISREG(path.lstat().st_mode):
            message = f"{quoted(name)} is a link or a special file; put the file itself into the folder"
            faults.append(Fault(Stage.ARCHIVE, "link", message, printable(name)))
        if not name.isprintable():  # nor are bytes that are not UTF-8, which Python shows as lone surrogates
            message = f"{quoted(name)} has characters in its name that cannot be in an archive"
            faults.append(Fault(Stage.ARCHIVE, "control_character", message, printable(name)))
    size = sum(path.lstat().st_size for path in files.values())
    if size > limits.max_unpacked_bytes:
        among = f", {' and '.join(folders)} included" if folders else ""
        message = (
            f"The folder has {bytes_in_words(size)}{among}; {bytes_in_words(limits.max_unpacked_bytes)} are allowed"
        )
        faults.append(Fault(Stage.ARCHIVE, "unpacked_too_large", message))
    if faults:
        raise InvalidArchive(faults=bounded(faults))
    return files


def _files(directory: Path, folders: Mapping[str, Path]) -> dict[str, Path]:
    own = {path.relative_to(directory).as_posix(): path for path in _walk(directory)}
    files = {name: path for name, path in own.items() if name.partition("/")[0] not in folders}
    for top, folder in folders.items():
        files |= {f"{top}/{path.relative_to(folder).as_posix()}": path for path in _walk(folder)}
    return dict(sorted(files.items()))


def _refuse_larger_than(max_bytes: int | None, size: int) -> None:
    if max_bytes is not None and size > max_bytes:
        limit = f"{bytes_in_words(max_bytes)} (CADENCE_MAX_UPLOAD_BYTES)"
        raise UploadTooLarge(f"The archive has {bytes_in_words(size)}; this server takes {limit}")


def _walk(directory: Path) -> Iterator[Path]:
    """Everything but folders; links to folders count as files, and what is left out is not looked into."""
    with os.scandir(directory) as children:
        for child in sorted(children, key=lambda child: child.name):
            if child.name.casefold() in _LEFT_OUT or child.name.endswith(".pyc"):
                continue
            if child.is_dir(follow_symlinks=False):
                yield from _walk(Path(child.path))
            else:
                yield Path(child.path)


def _write(files: Mapping[str, Path], target: Path) -> None:
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in files.items():
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.compress_type = zipfile.ZIP_STORED if path.suffix in _COMPRESSED else zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, so that the mode is read wherever it was packed
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, path.read_bytes())
