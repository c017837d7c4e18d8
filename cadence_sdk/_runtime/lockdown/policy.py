"""Which system calls a plugin may make: the lists of :mod:`~cadence_sdk._runtime.lockdown.syscalls` put together.

What is not named here is denied: mounting, namespaces, tracing, modules, keys, BPF, ``io_uring``, ``userfaultfd``,
performance counters, System V and POSIX message queues and shared memory, raw ports, clocks that are set, other
processes' memory and descriptors, ``memfd`` (memory that no limit of a process counts), being told what others do
with files (``inotify``: Landlock has no say over it), and every way to start a
process or to open a connection that was not granted.
"""

import errno
from struct import pack

from cadence_sdk._runtime.lockdown import syscalls
from cadence_sdk._runtime.lockdown.seccomp import (
    ALLOW,
    DENY,
    UNKNOWN,
    Check,
    Condition,
    Program,
    Rule,
    Verdict,
    any_of,
    assemble,
    encode,
)

# linux/sched.h
_CLONE_THREAD = 0x00010000
_CLONE_PARENT = 0x00008000
_NEW_NAMESPACES = 0x7E020000
# sys/socket.h
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE_MASK = 1, 5, 0xF
_IPPROTO_ANY, _IPPROTO_TCP = 0, 6
_MSG_FASTOPEN = 0x20000000
#: What Python asks of files and pipes (asm-generic/ioctls.h): whether it is a terminal and how large, how much there is
#: to read, not to wait, to close at exec; and a copy that shares its blocks (linux/fs.h). Others would put input into a
#: terminal, or tell of the host's network through a socket that the server connected.
_IOCTLS = (0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x40049409)
# linux/fcntl.h: signals by the way of a descriptor, leases that make others wait, and news of a folder
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY = 8, 10, 15, 1024, 1026
#: ``prctl(2)`` options that only ask, or only concern names and a thread's timers.
_PRCTL_OPTIONS = (2, 3, 15, 16, 21, 23, 29, 30, 39, 41, 42, 0x53564D41)


#: Stands for the worker's process id in a program made before there is a worker; no process has it.
_ANY_PID = 0x5ECC0123


class Filters:
    """The filters for the workers of one host, assembled once, before any worker is there.

    :param signals_scoped: whether something else keeps a worker's signals among its own processes.
    :param attributes: whether workers may change modes, owners and times of files: only where something else keeps
        them from doing so to those of others.
    """

    def __init__(self, *, signals_scoped: bool, attributes: bool) -> None:
        self._encoded = {
            (network, processes): encode(
                program(
                    pid=_ANY_PID,
                    network=network,
                    processes=processes,
                    signals_scoped=signals_scoped,
                    attributes=attributes,
                )
            )
            for network in (False, True)
            for processes in (False, True)
        }

    def code(self, *, pid: int, network: bool, processes: bool) -> bytes:
        """The filter of one worker, as the kernel reads it; the parameters are those of :func:`program`."""
        return self._encoded[network, processes].replace(pack("=I", _ANY_PID), pack("=I", pid))


def program(*, pid: int, network: bool, processes: bool, signals_scoped: bool, attributes: bool) -> Program:
    """The filter for one worker.

    :param pid: its process id, as it sees it itself.
    :param network: whether it may make TCP sockets and ask for connections.
    :param processes: whether it may start processes.
    :param signals_scoped: whether something else keeps its signals among its own.
    :param attributes: whether it may change modes, owners and times of files: only where something else keeps it from
        doing so to those of others.
    """
    lists = [syscalls.FILES, syscalls.MEMORY, syscalls.TIME, syscalls.WAITING, syscalls.SOCKETS, syscalls.PROCESS]
    if attributes:
        lists.append(syscalls.ATTRIBUTES)
    allowed: dict[str, Verdict] = dict.fromkeys(syscalls.numbers(*lists), ALLOW)
    allowed |= _always(pid)
    allowed |= _for_sockets(granted=network)
    if processes:
        allowed |= _for_processes(signals_scoped=signals_scoped)
    numbers = syscalls.numbers(*lists, syscalls.CHECKED)
    verdicts = {numbers[name]: verdict for name, verdict in allowed.items() if name in numbers}
    return assemble(verdicts, syscalls.LAST_KNOWN)


def _always(pid: int) -> dict[str, Verdict]:
    only_threads = Rule((Condition(0, _CLONE_THREAD, _CLONE_THREAD), Condition(0, 0, _NEW_NAMESPACES)), ALLOW)
    checks: dict[str, Verdict] = {
        "clone": Check((only_threads,), DENY),
        # Its flags lie in memory, where they cannot be looked at; without it, libraries use clone.
        "clone3": UNKNOWN,
        "fcntl": Check(
            tuple(
                Rule((Condition(1, command),), DENY)
                for command in (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY)
            ),
            ALLOW,
        ),
        "kill": any_of(0, 0, pid),
        "tgkill": any_of(0, pid),
        "prctl": any_of(0, *_PRCTL_OPTIONS),
        # It takes gigabytes of the disk at once, before anybody could have looked; libraries then write instead.
        "fallocate": _errno(errno.EOPNOTSUPP),
        "ioctl": any_of(1, *_IOCTLS),
        "prlimit64": any_of(0, 0, pid),
        "setrlimit": ALLOW,
        "sched_setaffinity": any_of(0, 0),
        # A datagram socket could write to any address, also when it belongs to a pair.
        "socketpair": Check(
            tuple(
                Rule((Condition(0, _AF_UNIX), Condition(1, type_, _SOCK_TYPE_MASK)), ALLOW)
                for type_ in (_SOCK_STREAM, _SOCK_SEQPACKET)
            ),
            DENY,
        ),
    }
    for name, flags in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        checks[name] = _without_fast_open(flags)
    return checks


def _without_fast_open(flags: int) -> Check:
    """Sending, but not to someone it is not connected with yet."""
    return Check((Rule((Condition(flags, 0, _MSG_FASTOPEN),), ALLOW),), DENY)


def _for_sockets(*, granted: bool) -> dict[str, Verdict]:
    if not granted:
        # The errno of a host without a network family would be misread as one that is not configured.
        return {"socket": _errno(errno.EACCES), "connect": _errno(errno.EACCES)}
    streams = tuple(
        Rule((Condition(0, family), Condition(1, _SOCK_STREAM, _SOCK_TYPE_MASK), Condition(2, protocol)), ALLOW)
        for family in (_AF_INET, _AF_INET6)
        for protocol in (_IPPROTO_ANY, _IPPROTO_TCP)
    )
    # The server is asked about connect by a filter of its own.
    return {"socket": Check(streams, _errno(errno.EACCES)), "connect": ALLOW}


def _for_processes(*, signals_scoped: bool) -> dict[str, Verdict]:
    own = Check((Rule((Condition(0, 0, _NEW_NAMESPACES | _CLONE_PARENT),), ALLOW),), DENY)
    # No setsid and no setpgid: what it starts stays in its process group, which ends as one.
    started: dict[str, Verdict] = {"clone": own, "fork": ALLOW, "vfork": ALLOW, "execve": ALLOW, "execveat": ALLOW}
    if signals_scoped:
        started |= dict.fromkeys(("kill", "tgkill", "pidfd_open", "pidfd_send_signal"), ALLOW)
    return started


def _errno(number: int) -> int:
    return 0x00050000 | number
