"""The filter says of every call what its lists say, and the kernel does what the filter says."""

import fcntl
import os
import platform
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence_sdk._runtime.lockdown import kernel, policy, seccomp, syscalls
from cadence_sdk._runtime.lockdown.seccomp import ALLOW, DENY, UNKNOWN, Check, Condition, Instruction, Program, Rule
from tests.lockdown.child import errno_of, result_of, status_of

ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[platform.machine()]
KILL = 0x80000000
X86_64_ONLY = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of x86_64")


def run(program: Program, number: int, *arguments: int, architecture: int = ARCHITECTURE) -> int:
    """What the kernel's machine would return (linux/bpf_common.h), jumps only forwards."""
    at, word = 0, 0
    while True:
        step: Instruction = program[at]
        at += 1
        if step.code == 0x06:
            return step.operand
        if step.code == 0x20:
            padded = (*arguments, *[0] * 6)
            word = {0: number, 4: architecture}.get(step.operand, padded[max(0, step.operand - 16) // 8] & 0xFFFFFFFF)
        elif step.code == 0x54:
            word &= step.operand
        elif step.code == 0x05:
            at += step.operand
        else:
            holds = word == step.operand if step.code == 0x15 else word >= step.operand
            at += step.true if holds else step.false


@given(st.sets(st.integers(0, 450)), st.integers(0, 2**32 - 1) | st.integers(0, 500))
def test_a_call_is_allowed_where_it_is_listed_and_only_there(allowed: set[int], number: int) -> None:
    program = seccomp.assemble(dict.fromkeys(allowed, ALLOW), 450)
    expected = ALLOW if number in allowed else DENY if number <= 450 else UNKNOWN
    assert run(program, number) == expected


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_the_first_rule_that_holds_decides(first: int, second: int) -> None:
    check = Check(
        (
            Rule((Condition(0, 1, 1), Condition(1, 0, 0xF0)), ALLOW),
            Rule((Condition(0, first),), UNKNOWN),
        ),
        DENY,
    )
    expected = ALLOW if first & 1 and not second & 0xF0 else UNKNOWN
    assert run(seccomp.assemble({7: check}, 450), 7, first, second) == expected
    assert run(seccomp.assemble({7: check}, 450), 7, first ^ 2, 0xFF) == DENY


def test_calls_by_another_table_of_numbers_kill() -> None:
    assert run(seccomp.assemble({1: ALLOW}, 450), 1, architecture=0x40000003) == KILL


def test_a_filter_made_ahead_is_the_one_made_for_the_process() -> None:
    filters = policy.Filters(signals_scoped=True, attributes=False)
    for network in (False, True):
        for processes in (False, True):
            made = policy.program(pid=4321, network=network, processes=processes, signals_scoped=True, attributes=False)
            assert filters.code(pid=4321, network=network, processes=processes) == seccomp.encode(made)


def confined(*, network: bool = False, processes: bool = False, scoped: bool = True, attributes: bool = True) -> None:
    filters = policy.Filters(signals_scoped=scoped, attributes=attributes)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.load(filters.code(pid=os.getpid(), network=network, processes=processes))


def under(call: Callable[[], str], **grants: bool) -> str:
    """What a call gives in a process that is confined."""

    def act() -> str:
        confined(**grants)
        return call()

    return result_of(act)


def number(name: str) -> int:
    return syscalls.numbers(syscalls.CHECKED, syscalls.FILES, syscalls.ATTRIBUTES, syscalls.PROCESS)[name]


#: By their numbers on x86_64, since they stand on no list: that is the point.
FORBIDDEN = {
    "ptrace": 101,
    "mount": 165,
    "pivot_root": 155,
    "chroot": 161,
    "unshare": 272,
    "setns": 308,
    "bpf": 321,
    "keyctl": 250,
    "add_key": 248,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "open_by_handle_at": 304,
    "process_vm_readv": 310,
    "pidfd_getfd": 438,
    "memfd_create": 319,
    "memfd_secret": 447,
    "seccomp": 317,
    "init_module": 175,
    "kexec_load": 246,
    "setpriority": 141,
    "personality": 135,
    "mknod": 133,
    "setuid": 105,
    "setsid": 112,
    "shmget": 29,
    "mq_open": 240,
    "sync": 162,
    "quotactl": 179,
}


@X86_64_ONLY
@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_no_plugin_needs_is_denied(name: str) -> None:
    assert under(lambda: errno_of(FORBIDDEN[name], 0, 0, 0, 0, 0)) == "EPERM"
    assert under(lambda: errno_of(FORBIDDEN[name], 0, 0, 0, 0, 0), network=True, processes=True) == "EPERM"


@pytest.mark.parametrize("newer", [451, 600, 0x40000000 + 1])
def test_what_is_newer_than_the_lists_is_answered_as_by_an_older_kernel(newer: int) -> None:
    assert under(lambda: errno_of(newer)) == "ENOSYS"


@X86_64_ONLY
def test_the_32_bit_entry_is_no_way_around() -> None:
    """``int 0x80`` with the number that means ``socket`` there, from a page of machine code."""

    def enter() -> None:
        import ctypes
        import mmap

        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
        confined()
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()

    assert os.WTERMSIG(status_of(enter)) in (signal.SIGSYS, signal.SIGSEGV)


def attempt(act: Callable[[], object]) -> Callable[[], str]:
    def tell() -> str:
        try:
            act()
        except OSError as error:
            return os.strerror(error.errno or 0)
        return "OK"

    return tell


DENIED, REFUSED = "Operation not permitted", "Permission denied"


@pytest.mark.parametrize(
    ("family", "kind", "protocol"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, 0),
        (socket.AF_INET6, socket.SOCK_STREAM, 0),
        (socket.AF_INET, socket.SOCK_DGRAM, 0),
        (socket.AF_INET, socket.SOCK_RAW, 1),
        (socket.AF_UNIX, socket.SOCK_STREAM, 0),
        (socket.AF_UNIX, socket.SOCK_DGRAM, 0),
        (socket.AF_NETLINK, socket.SOCK_RAW, 0),
        (socket.AF_PACKET, socket.SOCK_RAW, 0),
        (socket.AF_INET, socket.SOCK_STREAM, 262),  # MPTCP
    ],
)
def test_sockets_are_refused_and_a_grant_gives_tcp_alone(family: int, kind: int, protocol: int) -> None:
    make = attempt(lambda: socket.socket(family, kind, protocol).close())
    assert under(make) == REFUSED
    tcp = family in (socket.AF_INET, socket.AF_INET6) and kind == socket.SOCK_STREAM and protocol == 0
    assert under(make, network=True) == ("OK" if tcp else REFUSED)


def test_a_pair_of_sockets_can_be_made_where_it_can_reach_nobody_else() -> None:
    assert under(attempt(lambda: socket.socketpair())) == "OK"
    assert under(attempt(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))) == DENIED


@pytest.mark.parametrize("request_", [0x5412, 0x541C, 0x8912, 0x8927, 0x8B01])
def test_terminals_cannot_be_typed_into_and_sockets_not_asked_of_the_host(request_: int) -> None:
    """TIOCSTI, TIOCLINUX; SIOCGIFCONF, SIOCGIFHWADDR, SIOCGIWNAME."""
    left, right = socket.socketpair()
    with left, right:
        assert under(attempt(lambda: fcntl.ioctl(left, request_, bytes(64)))) == DENIED
        assert under(attempt(lambda: fcntl.ioctl(left, 0x541B, bytes(4)))) == "OK"  # FIONREAD


def test_nobody_can_be_listened_for() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    unbound = socket.socket()
    with listening, unbound:
        assert under(attempt(lambda: unbound.bind(("127.0.0.1", 0))), network=True) == DENIED
        assert under(attempt(lambda: listening.listen()), network=True) == DENIED
        assert under(attempt(lambda: listening.accept()), network=True) == DENIED


def test_a_first_packet_cannot_carry_data_around_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as fresh:
        send = attempt(lambda: fresh.sendto(b"x", socket.MSG_FASTOPEN, listening.getsockname()))
        assert under(send, network=True) == DENIED


def test_threads_can_be_started_and_processes_cannot() -> None:
    def run_a_thread() -> None:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()

    assert under(attempt(run_a_thread)) == "OK"
    assert under(attempt(os.fork)) == DENIED
    assert under(attempt(lambda: os.execv("/bin/true", ["true"]))) == DENIED


def test_a_grant_lets_processes_be_started_but_not_leave_their_group() -> None:
    def fork_and_leave() -> None:
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
            except PermissionError:
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1

    assert under(attempt(fork_and_leave), processes=True) == "OK"


def test_signals_reach_only_the_process_itself() -> None:
    stranger = os.getpid()
    assert under(attempt(lambda: os.kill(stranger, 0))) == DENIED
    assert under(attempt(lambda: os.kill(stranger, 0)), processes=True, scoped=False) == DENIED
    assert under(attempt(lambda: os.kill(os.getpid(), 0))) == "OK"
    assert under(attempt(lambda: signal.pthread_kill(threading.get_ident(), 0))) == "OK"


def test_modes_and_owners_are_left_alone_where_nothing_else_guards_them(tmp_path: Path) -> None:
    assert under(attempt(lambda: tmp_path.chmod(0o755))) == "OK"
    for change in (lambda: tmp_path.chmod(0o755), lambda: os.utime(tmp_path), lambda: os.chown(tmp_path, 0, 0)):
        assert under(attempt(change), attributes=False) == DENIED


def test_the_disk_cannot_be_taken_without_writing(tmp_path: Path) -> None:
    def reserve() -> None:
        with (tmp_path / "file").open("wb") as file:
            kernel.checked(kernel.LIBC.fallocate(file.fileno(), 0, 0, 1 << 20))

    assert under(attempt(reserve)) == "Operation not supported"


@X86_64_ONLY
def test_clone3_is_answered_so_that_libraries_fall_back() -> None:
    assert under(lambda: errno_of(number("clone3"), 0, 0)) == "ENOSYS"
