"""Attacks through what the kernel offers beside files, sockets and processes."""

import contextlib
import ctypes
import os
import platform
import re
import socket
import tty
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.attacks.attack import Attacks, Outcome, Run
from tests.attacks.network import HOME
from tests.attacks.stage import Stage, new_secret
from tests.attacks.witness import canary, listening, target

ATTACKS = Attacks()
_libc = ctypes.CDLL(None, use_errno=True)
_IPC_CREAT, _IPC_RMID, _MNT_DETACH = 0o1000, 0, 2
CAP_SYS_ADMIN = 21  # linux/capability.h
NEEDS_ADMIN = "it needs CAP_SYS_ADMIN"


def _no_other_entry(number: int) -> str:
    """Why the x32 entry cannot be tried here, if it cannot."""
    if platform.machine() != "x86_64":
        return "only x86_64 kernels have it"
    return "" if _libc.syscall(ctypes.c_long(number)) > 0 else "this kernel does not have it"


def _no_32_bit() -> str:
    if platform.machine() != "x86_64":
        return "only x86_64 kernels have it"
    return "" if Path("/proc/sys/abi/vsyscall32").exists() else "this kernel does not have it"


def _asks(tool: str, plugin: str = "kernel") -> Run:
    """Asks for something that the kernel gives or denies; the tool raises where it is denied."""

    def run(stage: Stage) -> Outcome:
        answer = stage.call(plugin, tool)
        return Outcome(answer, answer.ok)

    return run


def _mounts(tool: str) -> Run:
    def run(stage: Stage) -> Outcome:
        path = stage.data("kernel") / f"mount-{uuid.uuid4().hex}"
        answer = stage.call("kernel", tool, path=str(path))
        mounted = os.path.ismount(path)
        if mounted:
            _libc.umount2(str(path).encode(), _MNT_DETACH)
        return Outcome(answer, mounted)

    return run


for _tool in ("mount", "mount_by_descriptor"):
    ATTACKS.add(_tool, _mounts(_tool), ordinary=NEEDS_ADMIN)
ATTACKS.add("unshare_the_network", _asks("unshare_network", "leaver"), ordinary=NEEDS_ADMIN)
ATTACKS.add("load_into_the_kernel_by_bpf", _asks("bpf"), ordinary="it needs CAP_BPF on most hosts")
ATTACKS.add("set_up_io_uring", _asks("io_uring"))
ATTACKS.add("handle_page_faults", _asks("userfaultfd"))
ATTACKS.add("count_events", _asks("perf_events"))
ATTACKS.add("change_the_root_directory", _asks("chroot"), ordinary="it needs CAP_SYS_CHROOT")
ATTACKS.add("switch_off_address_randomization", _asks("personality"))
ATTACKS.add("read_the_kernels_log", _asks("kernel_log"), ordinary="it needs CAP_SYSLOG on most hosts")
ATTACKS.add("watch_all_files", _asks("watch_all_files"), ordinary=NEEDS_ADMIN)
ATTACKS.add("answer_its_own_calls", _asks("answer_own_calls"))


@ATTACKS.attack()
def become_root_of_a_namespace_at_import(stage: Stage) -> Outcome:
    answer = stage.call("importer", "unshared")
    worker = stage.worker("importer").pid
    elsewhere = Path(f"/proc/{worker}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
    held = re.search(r"CapEff:\s*([0-9a-f]+)", Path(f"/proc/{worker}/status").read_text())
    assert held is not None
    return Outcome(answer, elsewhere and bool(int(held[1], 16) >> CAP_SYS_ADMIN & 1))


@ATTACKS.attack()
def write_at_import(stage: Stage) -> Outcome:
    answer = stage.call("importer", "wrote")
    path = stage.outside / "written-at-import"
    return Outcome(answer, path.exists())


@ATTACKS.attack()
def read_at_import(stage: Stage) -> Outcome:
    answer = stage.call("importer", "read")
    return Outcome(answer, (answer.result or "").startswith("SQLite format"))


@ATTACKS.attack(ordinary=NEEDS_ADMIN)
def join_a_namespace(stage: Stage) -> Outcome:
    with target(stage) as victim:
        answer = stage.call("leaver", "join", pid=victim.pid, kind="uts")
        return Outcome(answer, answer.ok)


@ATTACKS.attack()
def keep_a_key_with_the_kernel(stage: Stage) -> Outcome:
    text = uuid.uuid4().hex
    answer = stage.call("kernel", "key", text=text)
    return Outcome(answer, answer.result == text)


class _FileHandle(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128))


@ATTACKS.attack(ordinary="it needs CAP_DAC_READ_SEARCH")
def open_a_file_by_its_number(stage: Stage) -> Outcome:
    path = canary(stage)
    path.write_text(new_secret())
    handle, mount = _FileHandle(128), ctypes.c_int()
    at_working_folder = -100
    assert (
        _libc.name_to_handle_at(at_working_folder, str(path).encode(), ctypes.byref(handle), ctypes.byref(mount), 0)
        == 0
    )
    code = bytes(handle.bytes[: handle.length]).hex()
    answer = stage.call("kernel", "open_by_handle", type_=handle.type, handle=code)
    return Outcome(answer, answer.result == path.read_text())


@ATTACKS.attack(ordinary="it needs CAP_MKNOD")
def make_a_device(stage: Stage) -> Outcome:
    name = f"device-{uuid.uuid4().hex}"
    path = stage.data("kernel") / name
    answer = stage.call("kernel", "device", name=name)
    return Outcome(answer, path.is_char_device())


@contextlib.contextmanager
def _terminal(uid: int | None) -> Iterator[tuple[int, str]]:
    """A terminal of the server's user: the end that a test types at and reads from, and its path."""
    ours, theirs = os.openpty()
    try:
        tty.setraw(theirs)
        path = os.ttyname(theirs)
        os.set_blocking(theirs, False)
        if uid is not None:
            os.chown(path, uid, uid)
        yield theirs, path
    finally:
        os.close(ours)
        os.close(theirs)


@ATTACKS.attack()
def type_into_a_terminal(stage: Stage) -> Outcome:
    with _terminal(stage.uid) as (terminal, path):
        answer = stage.call("kernel", "type_into_terminal", path=path, text="reboot")
        try:
            typed = os.read(terminal, 64)
        except BlockingIOError:
            typed = b""
        return Outcome(answer, typed == b"reboot")


@contextlib.contextmanager
def _segment(text: str) -> Iterator[int]:
    """Memory that the test shares with whoever asks, by its key."""
    key = uuid.uuid4().int & 0x7FFFFFFF
    segment = _libc.shmget(key, 4096, _IPC_CREAT | 0o666)
    assert segment >= 0
    _libc.shmat.restype = ctypes.c_void_p
    try:
        address = _libc.shmat(segment, None, 0)
        ctypes.memmove(address, text.encode() + b"\0", len(text) + 1)
        _libc.shmdt(ctypes.c_void_p(address))
        yield key
    finally:
        _libc.shmctl(segment, _IPC_RMID, None)


@ATTACKS.attack()
def read_shared_memory(stage: Stage) -> Outcome:
    secret = new_secret()
    with _segment(secret) as key:
        answer = stage.call("kernel", "shared_segment", key=key)
        return Outcome(answer, answer.result == secret)


def _sends(tool: str) -> Run:
    """Sends by UDP, in an unusual way, to a listener."""

    def run(stage: Stage) -> Outcome:
        with listening(socket.AF_INET, socket.SOCK_DGRAM, (HOME, 0)) as listener:
            text = uuid.uuid4().hex
            answer = stage.call("kernel", tool, host=HOME, port=listener.port, text=text)
            stage.await_plugin("kernel", "ping")
            return Outcome(answer, listener.heard(text))

    return run


ATTACKS.add("clear_the_filters", _sends("clear_filters"))
ATTACKS.add("send_by_the_32_bit_entry", _sends("udp_by_32_bit"), root=_no_32_bit(), ordinary=_no_32_bit())
_X32 = _no_other_entry(0x40000000 | 39)
ATTACKS.add("send_by_the_x32_entry", _sends("udp_by_x32"), root=_X32, ordinary=_X32)
