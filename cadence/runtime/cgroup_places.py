"""Where this process may make control groups (cgroups(7); the kernel's admin-guide, cgroup-v1 and cgroup-v2).

In version 1 each controller has a tree of its own, in version 2 all share one; a host can have some in each.
New groups go below the group this process is in, so that whatever bounds the server bounds its workers too.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

#: What is wanted of cgroups.
CONTROLLERS = ("memory", "pids", "cpu")
_VERSION_1, _VERSION_2 = "cgroup", "cgroup2"
#: Set by systemd on a group that it leaves to whom it belongs (systemd's document CGROUP_DELEGATION).
_DELEGATED = ("user.delegate", "trusted.delegate")


class Place(Struct, frozen=True):
    """A folder to make groups in, with the controllers they get there; ``unified`` is version 2."""

    folder: Path
    controllers: frozenset[str]
    unified: bool


class Places(Struct, frozen=True):
    """What was found; ``reasons`` say why a controller cannot be had, by its name."""

    found: tuple[Place, ...] = ()
    reasons: dict[str, str] = {}


class _Mount(Struct, frozen=True):
    """A mounted tree: the group that is its top, where it is mounted, and its controllers in version 1."""

    version: str
    root: str
    point: Path
    options: frozenset[str]


def find_places(proc: Path = Path("/proc/self")) -> Places:
    """Look for them; in version 2 the controllers are switched on for what is below.

    :param proc: the folder of this process in procfs.
    """
    mounts = list(_mounts((proc / "mountinfo").read_text()))
    own = _own_groups((proc / "cgroup").read_text())
    places: list[Place] = []
    reasons: dict[str, str] = {}
    for controller in CONTROLLERS:
        mount = next((m for m in mounts if m.version == _VERSION_1 and controller in m.options), None)
        if mount is None:
            continue
        folder = _folder(mount, own.get(controller))
        if folder is None:
            reasons[controller] = f"this process's group of {controller} is not in the tree that is mounted here"
        else:
            places.append(Place(folder, frozenset({controller}), unified=False))
    rest = frozenset(CONTROLLERS) - reasons.keys() - {name for place in places for name in place.controllers}
    unified = next((m for m in mounts if m.version == _VERSION_2), None)
    if rest and unified is not None:
        place, why = _unified_place(unified, own.get(""), rest)
        places.extend([place] if place else [])
        reasons.update(why)
    elif rest:
        reasons.update(dict.fromkeys(sorted(rest), "no tree of cgroups is mounted here"))
    return Places(tuple(places), reasons)


def write(path: Path, value: str) -> None:
    """Write into a file of the kernel's, which has to be there.

    :raises OSError: as the kernel answers.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def enable(folder: Path, controllers: Iterable[str]) -> dict[str, OSError]:
    """Switch controllers on for the groups below one of version 2; what the kernel refused, by controller."""
    refused = {}
    enabled = _words(folder / "cgroup.subtree_control")
    for controller in sorted(set(controllers) - enabled):
        try:
            write(folder / "cgroup.subtree_control", f"+{controller}")
        except OSError as error:
            refused[controller] = error
    return refused


def _unified_place(mount: _Mount, group: str | None, wanted: frozenset[str]) -> tuple[Place | None, dict[str, str]]:
    own = _folder(mount, group)
    if own is None:
        return None, dict.fromkeys(sorted(wanted), "this process's cgroup is not in the tree that is mounted here")
    available = wanted & _words(own / "cgroup.controllers")
    absent = f"the cgroup of this process, {group}, was not given this controller"
    reasons = dict.fromkeys(sorted(wanted - available), absent)
    if not available:
        return None, reasons
    refused: dict[str, OSError] = {}
    for folder in (own, *([own.parent] if own != mount.point and _is_delegated(own.parent) else [])):
        refused = enable(folder, available)
        if len(refused) < len(available):
            return Place(folder, available - refused.keys(), unified=True), reasons | _in_words(refused, group)
    return None, reasons | _in_words(refused, group)


def _in_words(refused: dict[str, OSError], group: str | None) -> dict[str, str]:
    return {controller: _refusal(error, group) for controller, error in refused.items()}


def _refusal(error: OSError, group: str | None) -> str:
    if isinstance(error, PermissionError):
        return f"the cgroup of this process, {group}, is not delegated to its user (systemd: Delegate=yes)"
    # EBUSY: a group other than the root has either processes or controllers below ("no internal processes").
    return (
        f"the cgroup of this process, {group}, holds processes itself, so that groups below it get no controllers"
        f" ({error.strerror}; systemd: Delegate=yes and DelegateSubgroup=server)"
    )


def _is_delegated(folder: Path) -> bool:
    for name in _DELEGATED:
        with suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False


def _mounts(mountinfo: str) -> Iterator[_Mount]:
    """The mounted trees of cgroups (proc(5), ``/proc/PID/mountinfo``)."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in (_VERSION_1, _VERSION_2):
            root, point = before.split(" ")[3:5]
            yield _Mount(kind, _unescaped(root), Path(_unescaped(point)), frozenset(options.split(",")))


def _own_groups(text: str) -> dict[str, str]:
    """The group of this process by controller, by ``""`` in version 2 (cgroups(7), ``/proc/PID/cgroup``)."""
    groups = {}
    for line in text.splitlines():
        _, controllers, group = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), group))
    return groups


def _folder(mount: _Mount, group: str | None) -> Path | None:
    """The folder of a group, None where the mount does not show it."""
    if group is None:
        return None
    path = os.path.relpath(group, mount.root)
    return None if path.startswith("..") else mount.point / path


def _words(path: Path) -> frozenset[str]:
    return frozenset(path.read_text().split())


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
