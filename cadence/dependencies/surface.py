"""What an environment would put on the import path, and what of it must not be there."""

import sys
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from cadence.dependencies.failure import fault
from cadence.dependencies.lock import Lock
from cadence.model import Fault

# The interpreter imports these by itself when it starts.
_STARTUP = frozenset({"sitecustomize", "usercustomize"})
_MODULE_SUFFIXES = frozenset({".py", ".pyc", ".so"})


def refusals(packages: Path, lock: Lock, protected: Mapping[str, str]) -> list[Fault]:
    """Why an environment may not be used: one fault for every package and kind of thing it must not bring.

    An environment comes first on the path, before Python's own library, so a name there hides all others.

    :param packages: its folder.
    :param protected: module to the preloaded distribution that it belongs to.
    """
    owners, culprits = _owners(packages), lock.culprits
    found: dict[tuple[str, str], Fault] = {}
    for entry in sorted(packages.iterdir()):
        if (objection := _objection(entry, protected)) is not None:
            code, words = objection
            owner = owners.get(entry.name, "")
            culprit = culprits.get(owner) or ", ".join(dict.fromkeys(culprits.values()))
            found.setdefault((owner, code), fault(code, f"{owner or 'A package'} brings {words}.", culprit))
    return list(found.values())


def _objection(entry: Path, protected: Mapping[str, str]) -> tuple[str, str] | None:
    if entry.suffix == ".pth":
        return "startup_file", f"the file {entry.name}, which would change how Python starts"
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


def _owners(packages: Path) -> dict[str, str]:
    """Top-level entry to the package that installed it, by the packages' own records (PyPA: recording installs).

    The records come with the packages and may hold anything; at worst an entry has no owner.
    """
    owners: dict[str, str] = {}
    for record in packages.glob("*.dist-info/RECORD"):
        name = canonicalize_name(record.parent.name.removesuffix(".dist-info").partition("-")[0])
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            owners.setdefault(line.partition(",")[0].partition("/")[0].strip('"'), name)
    return owners
