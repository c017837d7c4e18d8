"""The other entries into an x86_64 kernel: the one for 32-bit programs, and the x32 table."""

import ctypes
import mmap
import os

_libc = ctypes.CDLL(None, use_errno=True)
_MAP_32BIT = 0x40
_X32 = 0x40000000

# Takes a call's number and six arguments as a 64-bit function does, and makes the call as a 32-bit program does.
_CODE = bytes.fromhex(
    "53"  # push rbx
    "55"  # push rbp
    "89f8"  # mov eax, edi
    "89f3"  # mov ebx, esi
    "4189d2"  # mov r10d, edx
    "89ca"  # mov edx, ecx
    "4489d1"  # mov ecx, r10d
    "4489c6"  # mov esi, r8d
    "4489cf"  # mov edi, r9d
    "8b6c2418"  # mov ebp, [rsp + 24]
    "cd80"  # int 0x80
    "5d"  # pop rbp
    "5b"  # pop rbx
    "c3"  # ret
)

#: What the kernel is given addresses of must not be collected.
_kept: list[object] = []


def call_by_32_bit(number: int, *arguments: int) -> int:
    """Make a system call through ``int 0x80``."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(_CODE)
    _kept.append(page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_uint32] * 7)(address)
    result = function(number, *arguments, *[0] * (6 - len(arguments)))
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return int(result)


def low_buffer(content: bytes) -> int:
    """The address of a copy that 32 bits can name."""
    _libc.mmap.restype = ctypes.c_void_p
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_32BIT
    address = _libc.mmap(None, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    if address is None or address >= 1 << 32:
        raise MemoryError("no low memory")
    ctypes.memmove(address, content, len(content))
    return int(address)


def call_by_x32(number: int, *arguments: int) -> int:
    """Make a system call of the x32 table."""
    result = _libc.syscall(ctypes.c_long(_X32 | number), *[ctypes.c_long(one) for one in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)
