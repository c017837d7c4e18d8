"""Stand-ins for what the host provides: wheels of metadata only, so that uv resolves against it without any index.

They are for resolutions that must not need the network. None is ever installed: what the host provides is left out of
a lock. Nor do they need anything but for their extras: all else that they need is provided as well.
"""

import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

_ABOUT = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"
_WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def put_stand_ins(provided: Mapping[str, str], folder: Path) -> None:
    """Put a stand-in for each into a folder.

    :param provided: canonical name to version.
    """
    for name, version in provided.items():
        stem = f"{name.replace('-', '_')}-{version}"
        needs = needs_of_extras(name, version)
        about = [f"Provides-Extra: {extra}\n" for extra in (_extras_of(name) if needs else ())]
        about += [f"Requires-Dist: {one}\n" for one in needs]
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{stem}.dist-info/METADATA", _ABOUT.format(name, version) + "".join(about))
            archive.writestr(f"{stem}.dist-info/WHEEL", _WHEEL)
            archive.writestr(f"{stem}.dist-info/RECORD", "")


def needs_of_extras(name: str, version: str) -> tuple[Requirement, ...]:
    """What the extras of a distribution of the host need; nothing when it is not installed in this version."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return ()
    lines = found.requires or () if found.version == version else ()
    return tuple(one for one in map(_requirement, lines) if one is not None and "extra" in str(one.marker or ""))


def _extras_of(name: str) -> list[str]:
    return distribution(name).metadata.get_all("Provides-Extra") or []


def _requirement(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None
