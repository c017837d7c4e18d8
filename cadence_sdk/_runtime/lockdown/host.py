"""What this host has to confine workers, found out by trying it."""

import os
import sysconfig
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, structs

import cadence_sdk
from cadence_sdk._runtime.lockdown import identity, kernel, landlock, namespaces, policy, seccomp
from cadence_sdk._runtime.report import Layer

#: A user id to try with; any will do that is mapped.
SOME_USER = 65534
_DONE = b"\0"


class Host(Struct, frozen=True):
    """What can be had.

    ``landlock`` is the version of its interface, 0 for none. ``processes``, ``network`` and ``mounts`` are namespaces;
    ``by_user`` says that they were made by way of a user namespace. ``users`` is whether workers can be given user
    ids of their own. ``reasons`` say why something is missing, by its name here.
    """

    landlock: int = 0
    seccomp: bool = False
    processes: bool = False
    network: bool = False
    mounts: bool = False
    by_user: bool = False
    users: bool = False
    reasons: dict[str, str] = {}

    @property
    def tasks_counted_apart(self) -> bool:
        """Whether the kernel can count the threads of one worker, or of one plugin's workers."""
        return self.users or (self.mounts and self.by_user)

    @property
    def signals_scoped(self) -> bool:
        """Whether Landlock keeps a worker's signals among its own processes."""
        return landlock.scopes_signals(self.landlock)

    @property
    def attributes_guarded(self) -> bool:
        """Whether modes, owners and times of files that are not the plugin's are safe from it."""
        return self.mounts or self.users


def enter(control_fd: int) -> Host:
    """Take this process, the zygote, to where its workers are to live; tells what the host gave.

    What cannot be taken back is tried in a child first.

    :param control_fd: the socket to the server, which only the process that returns keeps.
    """
    nowhere = os.open(os.devnull, os.O_RDONLY)
    why_not = _tried(lambda: namespaces.enter_process_namespace(nowhere), namespaces.why_not)
    os.close(nowhere)
    if why_not:
        return Host(reasons={"processes": why_not, "network": why_not, "mounts": why_not})
    by_user = namespaces.enter_process_namespace(control_fd)
    why_not = _tried(namespaces.enter_empty_network, namespaces.why_not)
    if not why_not:
        namespaces.enter_empty_network()
    return Host(processes=True, network=not why_not, by_user=by_user, reasons={"network": why_not} if why_not else {})


def probe(entered: Host) -> Host:
    """Find out the rest."""
    reasons = {
        "mounts": _tried(lambda: namespaces.enter_read_only_mounts(by_user=entered.by_user), namespaces.why_not),
        "users": _why_no_users(),
        "connections": _why_no_connections(),
        "landlock": _tried(landlock.version, landlock.why_not),
        "seccomp": _tried(_load_a_filter),
    }
    return structs.replace(
        entered,
        mounts=entered.processes and not reasons["mounts"],
        landlock=0 if reasons["landlock"] else landlock.version(),
        users=not reasons["users"],
        seccomp=not reasons["seccomp"],
        reasons={name: why for name, why in reasons.items() if why} | entered.reasons,
    )


def _why_no_users() -> str | None:
    if os.geteuid() != 0:
        return "the server does not run as root"
    if not identity.may_keep_reading() and not identity.readable_by_others(interpreter_folders()):
        return "Python lies where only root may look, and the server has no right to let others (CAP_DAC_READ_SEARCH)"
    return _tried(_become_someone)


def _why_no_connections() -> str | None:
    """The server reads in a worker's memory where it wants to connect to (proc_pid_mem(5))."""
    if os.geteuid() == 0 and not identity.may_read_processes():
        return "the server may not read what its workers ask for (CAP_SYS_PTRACE), so granted connections are refused"
    return None


def _become_someone() -> None:
    identity.become(SOME_USER, read_all=False)


def _load_a_filter() -> None:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    # One such as workers get: that this machine's system calls are known is tried with it.
    filters = policy.Filters(signals_scoped=True, attributes=True)
    seccomp.load(filters.code(pid=os.getpid(), network=True, processes=True))


def interpreter_folders(*, packages: bool = True) -> tuple[str, ...]:
    """Where Python and the SDK lie.

    :param packages: whether where the packages beside them lie is of it.
    """
    paths = sysconfig.get_paths()
    places = {paths[name] for name in ("stdlib", "platstdlib", *(("purelib", "platlib") if packages else ()))}
    library = sysconfig.get_config_var("LIBDIR")
    return tuple(sorted({*places, *([library] if library else []), str(Path(cadence_sdk.__file__).parent)}))


def _in_words(error: OSError) -> str:
    return f"the kernel refused it ({error.strerror})"


def _tried(attempt: Callable[[], object], in_words: Callable[[OSError], str] = _in_words) -> str | None:
    """Why something cannot be done, None where it can: tried in a child that then ends.

    Only a child that says that it succeeded has: the host may also kill it for the attempt.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            attempt()
            os.write(writer, _DONE)
        except OSError as error:
            os.write(writer, in_words(error).encode())
        except Exception as error:  # noqa: BLE001  (such as a machine whose numbers are not known: then it has none)
            os.write(writer, f"it is not known how to do it on this machine ({error!r})".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        words = answer.read()
    os.waitpid(child, 0)
    if words == _DONE:
        return None
    return words.decode() or "the host ends whoever tries"


def layers(host: Host) -> tuple[Layer, ...]:
    """The same, as it is shown to the operator."""
    weakness = landlock.weakness(host.landlock) if host.landlock else None
    own_ids = host.tasks_counted_apart
    rows = (
        ("landlock", "files: only its own can be read and written", host.landlock > 0 and not weakness, "landlock"),
        ("seccomp", "system calls: sockets, processes, tracing, kernel interfaces", host.seccomp, "seccomp"),
        (
            "connections",
            "network: what is granted, and only that, is connected by the server",
            host.seccomp and (not host.users or "connections" not in host.reasons),
            "connections",
        ),
        ("user ids", "rights: no privilege, and threads counted apart", own_ids, "users"),
        ("process namespace", "other processes: not seen, and none outlives the server", host.processes, "processes"),
        ("network namespace", "network: an empty one, whatever gets past the rest", host.network, "network"),
        ("mount namespace", "file systems: read-only but for its own folders", host.mounts, "mounts"),
    )
    return tuple(
        Layer(name, protects, active, None if active else host.reasons.get(why, weakness))
        for name, protects, active, why in rows
    )
