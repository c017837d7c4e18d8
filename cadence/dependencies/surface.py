"""What an environment would put on the import path, and what of it must not be there."""

import base64
import hashlib
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from cadence.dependencies import record
from cadence.dependencies.failure import fault
from cadence.dependencies.lock import Lock
from cadence.dependencies.tree import Entry, walk
from cadence.model import Fault

# The interpreter imports these by itself when it starts.
_STARTUP = frozenset({"sitecustomize", "usercustomize"})
_MODULE_SUFFIXES = frozenset({".py", ".pyc", ".so"})
# Many packages carry these by mistake; what they hold is imported by nobody.
_STRAY = frozenset({"benchmarks", "docs", "examples", "test", "tests"})
_DEEPEST_FOLDER = 64


_Claims = dict[str, dict[str, str]]
"""Path of a file to the packages that installed it, and the hash that each wrote in its record, the first first."""


def refusals(packages: Path, lock: Lock, protected: Mapping[str, str]) -> list[Fault]:
    """Why an environment may not be used: one fault for every package and kind of thing it must not bring.

    An environment comes first on the path, before Python's own library, so a name there hides all others. All its
    files are looked at, and only where they are plain ones any of them is read.

    :param packages: its folder.
    :param protected: module to the preloaded distribution that it belongs to.
    """
    files: set[str] = set()
    for entry in walk(packages):
        if (objection := _special(entry)) is not None:
            return [fault(objection[0], f"A package brings {objection[1]}.", _everything(lock))]
        files.add(entry.path)
    claims = _claims(packages, files)
    owners = {path.partition("/")[0]: next(iter(claimed)) for path, claimed in reversed(claims.items())}
    found: dict[tuple[str, str], Fault] = {}
    for top in sorted(packages.iterdir()):
        if (objection := _objection(top, protected)) is not None:
            code, words = objection
            owner = owners.get(top.name, "")
            culprit = lock.culprits.get(owner) or _everything(lock)
            found.setdefault((owner, code), fault(code, f"{owner or 'A package'} brings {words}.", culprit))
    return [*found.values(), *_overwritten(packages, files, claims, lock)]


def leave_out(packages: Path) -> list[str]:
    """Delete the files of an environment that a Python could run when it starts; nothing else of it needs them.

    A worker puts the folder on its path without reading them (``sys.path``, not ``site.addsitedir``). A Python that a
    plugin starts could, were it told to take the folder for one of its own.

    :returns: a sentence about each.
    """
    found = [entry for entry in sorted(packages.iterdir()) if entry.name.endswith(".pth") and entry.is_file()]
    claims = _claims(packages, {entry.name for entry in found}) if found else {}
    said = []
    for entry in found:
        owner = next(iter(claims.get(entry.name, ())), "A package")
        entry.unlink()
        said.append(f"{owner} brings {entry.name}, which Python would run when it starts; it is left out.")
    return said


def _everything(lock: Lock) -> str:
    return ", ".join(dict.fromkeys(lock.culprits.values()))


def _shown(path: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in path)


def _special(entry: Entry) -> tuple[str, str] | None:
    if not entry.is_folder and not entry.is_file:
        return (
            "special_file",
            f"{_shown(entry.path)}, which is a link or a device; only files and folders can be installed",
        )
    if entry.path.count("/") >= _DEEPEST_FOLDER:
        return "folder_too_deep", f"files that lie in more than {_DEEPEST_FOLDER} folders within each other"
    return None


def _objection(entry: Path, protected: Mapping[str, str]) -> tuple[str, str] | None:
    module = _module(entry)
    if module in _STARTUP:
        return "startup_file", f"the module {module}, which Python would run when it starts"
    if module in sys.stdlib_module_names:
        return "shadows_standard_library", f"a module {module}, which would hide the one of Python's standard library"
    if module in protected:
        return "shadows_host", f"a module {module}, which would hide the one of {protected[module]} on this server"
    return None


def _module(entry: Path) -> str:
    """The module that an entry of the import path is, or nothing."""
    name, _, rest = entry.name.partition(".")
    importable = not rest if entry.is_dir() else entry.suffix in _MODULE_SUFFIXES
    return name if importable else ""


def _claims(packages: Path, files: Collection[str]) -> _Claims:
    """Who installed these files, by the packages' own records (PyPA: recording installed projects).

    The records come with the packages and may hold anything, as often as they like: what they say of other files is not
    kept, and of a file the first that each says. At worst a file has no owner.
    """
    claims: _Claims = defaultdict(dict)
    for name, place in record.records(packages):
        for path, digest in record.read(place):
            if path in files:
                claims[path].setdefault(name, digest)
    return claims


def _overwritten(packages: Path, files: Collection[str], claims: _Claims, lock: Lock) -> Iterator[Fault]:
    """Modules that several packages bring: uv lets one overwrite the other's, whichever it writes last.

    Those that are equal, such as the ``__init__.py`` of a namespace, do no harm.
    """
    told: set[tuple[str, ...]] = set()
    for path in sorted(files):
        names = tuple(sorted(claims.get(path, ())))
        if len(names) < 2 or names in told or not _is_imported(path):
            continue
        digest = _digest(packages / path)
        if any(claimed != digest for claimed in claims[path].values()):
            told.add(names)
            culprits = dict.fromkeys(lock.culprits.get(name) or _everything(lock) for name in names)
            words = (
                f"{' and '.join(names)} bring different files {_shown(path)}, of which one would overwrite the other."
            )
            yield fault("overwrites", words, ", ".join(culprits))


def _is_imported(path: str) -> bool:
    parts = PurePosixPath(path)
    return parts.suffix in _MODULE_SUFFIXES and "__pycache__" not in parts.parts and parts.parts[0] not in _STRAY


def _digest(path: Path) -> str:
    """The hash of a file as the records have it."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
