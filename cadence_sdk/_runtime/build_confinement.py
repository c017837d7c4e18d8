"""The lockdown of a build: that of a worker with processes, and what compilers need beside it.

It reads the system's programs, libraries and headers, Python, its build environment and the copy of its source tree. It
writes that copy, a temporary folder and what its hook was asked for. All other files are out of its reach by Landlock,
and by a view of the mounts of its own in which all else is read-only. Its network is empty but for what was granted,
which the server connects.
"""

import os
import platform
import socket
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from cadence_sdk._runtime.endpoint import Endpoint, stand_ins
from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.lockdown import (
    connect,
    identity,
    kernel,
    landlock,
    namespaces,
    policy,
    rlimits,
    seccomp,
    syscalls,
)
from cadence_sdk._runtime.lockdown.host import Host

#: The system's share of what a build reads and runs: programs, libraries, headers, locales, certificates, names.
_SYSTEM = (
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/share",
    "/usr/local/bin",
    "/usr/local/include",
    "/usr/local/lib",
)
_READABLE = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/pki",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl",
    "/etc/timezone",
    "/usr/local/share",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  (a folder of the build's own is put there)
_HOSTS = "/etc/hosts"
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
# linux/bpf_common.h: load a word, jump if equal, return. struct seccomp_data: number, architecture.
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4


class Bounds(Struct, frozen=True):
    """What one call of the interpreter may touch and reach.

    ``mounts`` are pairs of a folder or file and the place where the build finds it, to write to; ``covers`` likewise,
    to read. ``readable`` may be read and run; ``temporary`` is written to too. ``directory`` is where it runs.
    ``user`` is whom it becomes, None for the server's own.
    """

    directory: Path
    temporary: Path
    shared_memory: Path
    mounts: tuple[tuple[Path, Path], ...] = ()
    covers: tuple[tuple[Path, Path], ...] = ()
    readable: tuple[Path, ...] = ()
    user: int | None = None
    network: tuple[Endpoint, ...] = ()


def lacking(host: Host) -> str | None:
    """What of the sandbox this host does not have that a build needs, in words; None for nothing."""
    missing = {
        "landlock": not host.landlock or bool(landlock.weakness(host.landlock)),
        "seccomp": not host.seccomp,
        "process namespace": not host.processes,
        "network namespace": not host.network,
        "mount namespace": not host.mounts,
        "user ids": not host.tasks_counted_apart,
    }
    return ", ".join(name for name, is_missing in missing.items() if is_missing) or None


def confine(host: Host, bounds: Bounds, limits: Limits, gateway: socket.socket | None) -> None:
    """Lock this process down for good; it has one thread, and is in namespaces of processes and network of its own.

    :param gateway: where the listener of its connects goes; needed where some are granted.
    :raises OSError: when something could not be used: nothing of the build may run then.
    """
    _enter_view(host, bounds)
    os.chdir(bounds.directory)
    rlimits.set_limits(limits, counted_apart=True, counted_twice=False)
    if bounds.user is not None:
        identity.become(bounds.user, read_all=not identity.readable_by_others(map(str, bounds.readable), bounds.user))
    else:
        identity.drop_capabilities()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    _restrict_files(host, bounds)
    if gateway is not None:
        connect.send(gateway, connect.install())
        gateway.close()
    filtered = policy.program(
        pid=os.getpid(),
        network=bool(bounds.network),
        processes=True,
        signals_scoped=host.signals_scoped,
        attributes=True,
    )
    seccomp.load(seccomp.encode([*_groups_allowed(), *filtered]))


def hosts_file(network: Iterable[Endpoint]) -> str:
    """The names a build may connect to, as hosts(5) has them: with addresses that stand for them at the server."""
    network = tuple(network)
    lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{at} {name}" for name, at in stand_ins(network).items())]
    return "".join(f"{line}\n" for line in lines)


def _enter_view(host: Host, bounds: Bounds) -> None:
    namespaces.enter_read_only_mounts(by_user=host.by_user)
    mounts = list(bounds.mounts)
    if Path(_SHARED_MEMORY).is_dir():
        mounts.append((bounds.shared_memory, Path(_SHARED_MEMORY)))
    for source, place in (*bounds.covers, *mounts):
        namespaces.put_over(str(source), str(place))
    namespaces.make_writable([str(place) for _, place in mounts] + [str(bounds.temporary)])


def _restrict_files(host: Host, bounds: Bounds) -> None:
    rules = landlock.Ruleset(host.landlock)
    rules.allow(landlock.READ, (*_READABLE, *([_HOSTS] if bounds.network else [])))
    rules.allow(landlock.READ | landlock.EXECUTE, (*_SYSTEM, *map(str, bounds.readable)))
    rules.allow(landlock.READ_FILE | landlock.WRITE_FILE, _DEVICES)
    # Configuring compiles small programs and runs them.
    own = [*(place for _, place in bounds.mounts), bounds.temporary]
    rules.allow(landlock.READ | landlock.WRITE | landlock.EXECUTE, map(str, own))
    rules.allow(landlock.READ | landlock.WRITE, [_SHARED_MEMORY])
    rules.enforce()


def _groups_allowed() -> seccomp.Program:
    """Comes before a worker's filter: build programs (ninja) put what they start into process groups.

    A worker's end by its group; a build ends with its namespace of processes, whatever groups it has.
    """
    instruction, number = seccomp.Instruction, syscalls.numbers(syscalls.CHECKED)["setpgid"]
    return [
        instruction(_LOAD, 0, 0, _ARCHITECTURE_AT),
        instruction(_EQUAL, 0, 3, _ARCHITECTURES[platform.machine()]),
        instruction(_LOAD, 0, 0, _NUMBER_AT),
        instruction(_EQUAL, 0, 1, number),
        instruction(_RETURN, 0, 0, seccomp.ALLOW),
    ]
