"""Looks for secrets in what it was born with: environment, memory, descriptors."""

import ctypes
import fcntl
import gc
import os
import re
from pathlib import Path

from cadence_sdk import tool

#: What any secret of the tests looks like. It does not match itself.
_SECRET = re.compile(rb"cadence-attack-secret-[0-9a-f]{32}")
_CHUNK = 1 << 20
_PAGE = 4096
_MOST = 400 * _CHUNK
_libc = ctypes.CDLL(None, use_errno=True)


def _found(chunk: bytes) -> set[str]:
    return {match.decode() for match in _SECRET.findall(chunk)}


@tool
def environment() -> list[str]:
    """Secrets in the environment, of now and of when the process began."""
    now = "\n".join(f"{name}={value}" for name, value in os.environ.items()).encode()
    return sorted(_found(now) | _found(Path("/proc/self/environ").read_bytes()))


@tool
def memory() -> list[str]:
    """Secrets anywhere in its memory, as the kernel shows it."""
    secrets: set[str] = set()
    with open("/proc/self/mem", "rb", buffering=0) as file:
        for start, end in _regions():
            for at in range(start, end, _CHUNK):
                try:
                    file.seek(at)
                    secrets |= _found(file.read(min(_CHUNK + 64, end - at)))
                except OSError:
                    continue
    return sorted(secrets)


def _regions() -> list[tuple[int, int]]:
    regions = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, *_ = line.split()
        start, end = (int(address, 16) for address in addresses.split("-"))
        if "rw" in rights and end - start < _MOST:
            regions.append((start, end))
    return regions


@tool
def heap() -> list[str]:
    """Secrets around every object it knows of, read without the kernel's help."""
    secrets: set[str] = set()
    seen: set[int] = set()
    seeds = [id(one) for one in gc.get_objects()] + [id(name) for name in os.environ]
    _libc.sbrk.restype = ctypes.c_void_p
    top = _libc.sbrk(0)
    seeds += range(top - 64 * _CHUNK, top, _CHUNK)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 16 * _PAGE)
    for seed in seeds:
        first = seed // _CHUNK * _CHUNK
        if first not in seen and len(seen) < _MOST // _CHUNK:
            seen.add(first)
            for at in range(first, first + _CHUNK, 16 * _PAGE):
                secrets |= _found(_peek(reader, writer, at))
    os.close(reader)
    os.close(writer)
    return sorted(secrets)


def _peek(reader: int, writer: int, address: int) -> bytes:
    """Sixteen pages, as far as they are there: the kernel copies them into a pipe, and says so where it cannot."""
    written = _libc.write(writer, ctypes.c_void_p(address), ctypes.c_size_t(16 * _PAGE))
    return os.read(reader, 16 * _PAGE) if written > 0 else b""


@tool
def hold(secret: str) -> int:
    """Have a secret of its own, to see that it would be found."""
    globals()["_held"] = secret
    return len(secret)


@tool
def descriptors() -> dict[str, str]:
    """Every descriptor and what it leads to, asked one by one and not of a list."""
    found = {}
    for number in range(1025):
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
        except OSError:
            continue
        found[str(number)] = os.readlink(f"/proc/self/fd/{number}")
    return found


TOOLS = [environment, memory, heap, hold, descriptors]
