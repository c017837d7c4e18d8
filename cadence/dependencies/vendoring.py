"""The packages of a lock as wheel files, to be put into an archive that installs without any network.

uv (as of 0.13) has no command that downloads. But it unpacks every wheel into its cache, once the hash is right, and an
installation by symbolic links shows where. What lies there is the content of the wheel as it was published, with a
record of every file; it is checked against that record and packed anew. So the index, the credentials, the proxies
and the certificates of the host's uv configuration hold for it as for any install. Only the ZIP container is another
than the index has, and with it the hash of the whole.

Written by the binary distribution format (PyPA specifications: file name convention, recommended archiver features).
"""

import base64
import csv
import hashlib
import io
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from email.policy import compat32
from pathlib import Path

from msgspec import Struct
from packaging.tags import Tag, parse_tag, sys_tags
from packaging.utils import canonicalize_name

from cadence.dependencies.command import Ended, Uv
from cadence.dependencies.explanation import explain
from cadence.dependencies.failure import failed, fault
from cadence.dependencies.lock import Lock, Package
from cadence.errors import DependenciesFailed

# The earliest time a ZIP file can hold (APPNOTE 4.4.6): equal packages make equal wheels.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_HASHES = frozenset({"sha256", "sha384", "sha512"})
_TAG = re.compile(
    r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*-[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*-[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*"
)
_BUILD = re.compile(r"[0-9][A-Za-z0-9_.]*")
_NO_CACHE = "is not supported with `--no-cache`"


class Wheel(Struct, frozen=True):
    """One wheel file."""

    path: Path
    size_bytes: int


def vendor(lock: Lock, uv: Uv, into: Path) -> tuple[Wheel, ...]:
    """Get the wheels of every package of a lock, for the Python and the platform that ``uv`` resolves for.

    The same lock makes the same bytes.

    :param into: an existing folder for them; when this raises, it may hold some.
    :returns: the wheels, sorted as the lock is.
    :raises DependenciesFailed: ``Failed to install: <requirement>`` and the reason.
    :raises Cancelled: when it was cancelled.
    :raises StorageFull: when there was no room on the disk.
    """
    if not lock.packages:
        return ()
    with tempfile.TemporaryDirectory(prefix=".linked-", dir=into) as scratch:
        linked = Path(scratch, "packages")
        _link(lock, uv, linked)
        unpacked = {_name(info): info for info in linked.glob("*.dist-info")}
        return tuple(_packed(package, unpacked.get(package.name), into) for package in lock.packages)


def _link(lock: Lock, uv: Uv, target: Path) -> None:
    """Install by links into uv's cache."""
    try:
        output = uv.run(
            "install",
            "--requirements=-",
            f"--target={target}",
            "--require-hashes",
            "--no-deps",
            *([] if uv.builds else ["--only-binary=:all:"]),
            "--no-compile-bytecode",
            "--link-mode=symlink",
            stdin=lock.text,
            packages=len(lock.packages),
        )
    except Ended as ended:
        everything = ", ".join(dict.fromkeys(lock.culprits.values()))
        raise failed(fault("no_progress", f"The download {ended} and was ended.", everything)) from None
    if _NO_CACHE in output.words:
        words = "The wheels are taken from uv's cache, and that is switched off (UV_NO_CACHE); switch it on for this."
        raise DependenciesFailed(words)
    if output.code != 0:
        raise failed(explain(output.words, lock.culprits, {}))


def _name(info: Path) -> str:
    """The canonical name of a package by its ``name-version.dist-info`` folder."""
    return canonicalize_name(info.name.removesuffix(".dist-info").rpartition("-")[0])


def _packed(package: Package, info: Path | None, into: Path) -> Wheel:
    """Pack what the links of an installed package lead to."""
    try:
        if info is None:
            raise _DamagedError("it did not install under its own name")
        # The link of a file that every wheel has leads to <unpacked wheel>/<name>-<version>.dist-info/WHEEL. Where uv
        # cannot make links it copies, and what lies here then is an installation, not a wheel.
        if not (info / "WHEEL").is_symlink():
            raise _DamagedError("uv could not link to it")
        unpacked = (info / "WHEEL").resolve().parent.parent
        record = f"{info.name}/RECORD"
        content = dict(_files(unpacked))
        _check(content, record)
        wheel = into / _filename(package, content[f"{info.name}/WHEEL"].read_text("utf-8", "replace"))
    except _DamagedError as damage:
        words = f"The unpacked wheel of {package.name} {package.version} in uv's cache cannot be used: {damage}."
        raise failed(fault("broken_wheel", words, package.requirement)) from None
    _write(content, record, wheel)
    return Wheel(wheel, wheel.stat().st_size)


class _DamagedError(Exception):
    """What lies in the cache is not what a wheel can hold, in words."""


def _files(unpacked: Path) -> Iterator[tuple[str, Path]]:
    """The files of an unpacked wheel by their names in it, sorted."""
    for path in sorted(unpacked.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            yield path.relative_to(unpacked).as_posix(), path
        elif not stat.S_ISDIR(mode):
            raise _DamagedError(f"{path.name} is a link or a special file")


def _check(content: dict[str, Path], record: str) -> None:
    """Hold the files against the record made when they were unpacked: others write to the cache as well."""
    if record not in content:
        raise _DamagedError("it has no RECORD")
    for row in csv.reader(io.StringIO(content[record].read_text("utf-8", "replace"))):
        name, stated = (*row, "", "")[:2]
        algorithm, _, digest = stated.partition("=")
        if not stated:
            continue  # the record itself, and signatures of it
        if name not in content:
            raise _DamagedError(f"{name} is missing")
        if algorithm not in _HASHES or _digest(content[name], algorithm) != digest.rstrip("="):
            raise _DamagedError(f"{name} is not the file that was published")


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, algorithm).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _filename(package: Package, metadata: str) -> str:
    """``{name}-{version}[-{build}]-{python}-{abi}-{platform}.whl``, where the wheel's own metadata say the latter."""
    headers = HeaderParser(policy=compat32).parsestr(metadata)
    build = str(headers.get("Build", "")).strip()
    tags = _tags([str(tag).strip() for tag in headers.get_all("Tag", ())])
    middle = [build] if _BUILD.fullmatch(build) else []
    return "-".join([package.name.replace("-", "_"), package.version, *middle, tags]) + ".whl"


def _tags(stated: list[str]) -> str:
    """The compressed tag set of some tags.

    Some wheels are published under other tags than stand in them, and uv chose this one by its name. Where no stated
    one fits this Python and platform, the closest that does takes their place.
    """
    tags = {tag for one in stated if _TAG.fullmatch(one) for tag in parse_tag(one)}
    here = list(sys_tags())
    fitting = tags if not tags.isdisjoint(here) else {here[0]}
    return "-".join(_joined(fitting, part) for part in ("interpreter", "abi", "platform"))


def _joined(tags: set[Tag], part: str) -> str:
    return ".".join(sorted({getattr(tag, part) for tag in tags}))


def _write(content: dict[str, Path], record: str, target: Path) -> None:
    """Write the files, those about the distribution last and the record at the very end, as the format recommends."""
    about = record.partition("/")[0] + "/"
    order = sorted(content, key=lambda name: (name == record, name.startswith(about), name))
    with zipfile.ZipFile(target, "w", compresslevel=9) as archive:
        for name in order:
            path = content[name]
            status = path.stat()
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.file_size = status.st_size
            info.create_system = 3  # Unix, so that the mode is read wherever it was packed
            info.external_attr = (stat.S_IFREG | (0o755 if status.st_mode & stat.S_IXUSR else 0o644)) << 16
            with path.open("rb") as source, archive.open(info, "w") as entry:
                shutil.copyfileobj(source, entry)
