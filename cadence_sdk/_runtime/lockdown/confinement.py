"""How a worker locks itself down: what takes time before a plugin waits for it, the rest once its grants are known.

All of it is made of system calls through :mod:`ctypes`, in this folder, and not of packages. Measured side by side, in
a forked child that allows the same thirty paths and 230 system calls: this 1.0 ms, ``landlock`` 1.0.0.dev5 with
``pyseccomp`` 0.1.2 3.6 ms (libseccomp makes its program anew in every worker; ours is made once in the zygote),
``sandlock`` 0.9.0 0.9 ms for Landlock alone: in the calling process it does nothing else, and the rest of what it has
only for commands that it starts, from a library of 13 MB. ``landlock`` knows neither sockets nor signals (version 4
and 6 of the interface), and none of them fails safe in what matters most here: a right that a kernel does not know is
left out in silence, where :mod:`~cadence_sdk._runtime.lockdown.host` says so to the operator.

Whatever fails here raises, and the worker ends before it has read a byte of the plugin.
"""

import os
import signal
import socket
import sys
from pathlib import Path

from cadence_sdk._runtime.lockdown import (
    connect,
    identity,
    kernel,
    landlock,
    names,
    namespaces,
    policy,
    rlimits,
    seccomp,
)
from cadence_sdk._runtime.lockdown.host import Host, interpreter_folders
from cadence_sdk._runtime.wire import WorkerSpec

#: What every program may read: libraries, certificates, time zones, locales, names of ports and types, the machine.
_READABLE = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/etc/services",
    "/etc/protocols",
    "/etc/mime.types",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)
_WRITABLE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
#: What may be run where processes are granted: programs, and the loader that lies with the libraries.
_PROGRAMS = ("/bin", "/usr/bin", "/usr/local/bin", "/lib", "/lib64", "/usr/lib", "/usr/lib64")
#: Where the C library keeps named semaphores and shared memory (shm_overview(7)), which processes use among themselves.
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  (the plugin's own folder is put there)


def _own_shared_memory(spec: WorkerSpec) -> str:
    """A folder among the plugin's temporary files, which counts as they do."""
    folder = Path(spec.temporary, "shm")
    folder.mkdir(mode=0o700)
    if spec.user is not None:
        os.chown(folder, spec.user, spec.user)
    return str(folder)


class Lockdown:
    """What all workers of a host have in common, found out and set up once, in the zygote.

    :param host: what it has.
    :param interpreter: where the code lies that all of them may read.
    """

    def __init__(self, host: Host, interpreter: tuple[str, ...] | None = None) -> None:
        self.host = host
        self.interpreter = interpreter or interpreter_folders()
        self.interpreter_for_others = identity.readable_by_others(self.interpreter)
        self.names = names.install()
        self.filters = (
            policy.Filters(signals_scoped=host.signals_scoped, attributes=host.attributes_guarded)
            if host.seccomp
            else None
        )


class Confinement:
    """The lockdown of one worker, made in its process while it has nothing to do yet."""

    def __init__(self, lockdown: Lockdown) -> None:
        self._lockdown = lockdown
        self._host = lockdown.host
        self._rules = self._common_rules() if self._host.landlock else None
        if self._host.mounts:
            namespaces.enter_read_only_mounts(by_user=self._host.by_user)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What must stay open until :meth:`apply`."""
        return (self._rules.fd,) if self._rules else ()

    def apply(self, spec: WorkerSpec, channel: socket.socket) -> None:
        """Lock this process down for good, as far as the host can.

        :param channel: to the server; where connections are granted, what they are asked by goes there first of all.
        :raises OSError: when something the host has could not be used; the plugin must then not be loaded.
        """
        host = self._host
        if host.mounts:
            namespaces.make_writable((spec.data, spec.temporary))
            if spec.limits.processes > 0 and Path(_SHARED_MEMORY).is_dir():
                namespaces.put_over(_own_shared_memory(spec), _SHARED_MEMORY)
        rlimits.set_limits(spec.limits, counted_apart=host.tasks_counted_apart, counted_twice=host.users)
        os.nice(spec.nice)
        self._take_identity(spec)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if self._rules is not None:
            self._add_own_rules(self._rules, spec)
            self._rules.enforce()
        self._lockdown.names.grant(spec.network, spec.name)
        if filters := self._lockdown.filters:
            network, processes = bool(spec.network), spec.limits.processes > 0
            if network:
                connect.send(channel, connect.install())
            seccomp.load(filters.code(pid=os.getpid(), network=network, processes=processes))

    def _take_identity(self, spec: WorkerSpec) -> None:
        if spec.user is not None:
            # What the worker must read may lie where only root may look: then it keeps the right to read.
            own = (spec.package, f"{spec.package}/__init__.py")
            public = self._lockdown.interpreter_for_others and identity.readable_by_others(own, spec.user)
            identity.become(spec.user, read_all=not public)
        elif os.geteuid() == 0 or self._host.by_user:
            identity.drop_capabilities()
        # Changing rights made the kernel forget both: its files in /proc are its own, and it dies with the zygote.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)

    def _common_rules(self) -> landlock.Ruleset:
        rules = landlock.Ruleset(self._host.landlock)
        rules.allow(landlock.READ, (*_READABLE, *self._lockdown.interpreter))
        rules.allow(landlock.READ_FILE | landlock.WRITE_FILE, _WRITABLE_DEVICES)
        return rules

    def _add_own_rules(self, rules: landlock.Ruleset, spec: WorkerSpec) -> None:
        code = [spec.package, *([spec.environment] if spec.environment else [])]
        rules.allow(landlock.READ, code)
        rules.allow(landlock.READ | landlock.WRITE, [spec.temporary])
        # One whose data is all it may hold can make room.
        rules.allow(landlock.READ | (landlock.DELETE if spec.full else landlock.WRITE), [spec.data])
        if spec.limits.processes > 0:
            if self._host.mounts:
                rules.allow(landlock.READ | landlock.WRITE, [_SHARED_MEMORY])
            # Where it looks for its own prefix; this process may have been started without.
            configuration = str(Path(sys.executable).parents[1] / "pyvenv.cfg")
            python = {sys.executable, os.path.realpath(sys.executable), configuration}
            rules.allow(landlock.READ | landlock.EXECUTE, [*_PROGRAMS, *python, *code])
