"""Landlock: which files a worker may touch, and that it reaches no abstract socket and no process outside.

The kernel's documentation: https://docs.kernel.org/userspace-api/landlock.html. Rights the running kernel does not
know are left out; what that leaves open is said by :func:`weakness`.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from struct import pack

from cadence_sdk._runtime.lockdown import kernel

# linux/landlock.h
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_FIFO = 1 << 10
MAKE_SYM = 1 << 12
REFER = 1 << 13
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15

READ = READ_FILE | READ_DIR
DELETE = REMOVE_DIR | REMOVE_FILE
WRITE = WRITE_FILE | DELETE | MAKE_DIR | MAKE_REG | MAKE_FIFO | MAKE_SYM | REFER | TRUNCATE
_FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

#: The rights over files that each version of the interface knows.
_FILES_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
#: Binding and connecting by TCP.
_TCP = 3
#: Abstract Unix sockets, and signals.
_SCOPES = 3


def version() -> int:
    """The version of the interface that the kernel has.

    :raises OSError: when it has none, or Landlock is switched off.
    """
    return kernel.syscall(kernel.LANDLOCK_CREATE_RULESET, 0, 0, _CREATE_RULESET_VERSION)


def why_not(error: OSError) -> str:
    """Why there is no Landlock, in words."""
    return f"the kernel has none, or it is switched off ({error.strerror}); Linux 5.13 or newer has it"


def weakness(version: int) -> str | None:
    """What the kernel's version of Landlock leaves open, in words; None for nothing that matters here."""
    if version < 3:
        return "the kernel's Landlock cannot keep files from being cut short; Linux 6.2 or newer can"
    return None


def scopes_signals(version: int) -> bool:
    """Whether signals and abstract sockets are kept inside."""
    return version >= 6


class Ruleset:
    """What is allowed; everything else that Landlock knows of is denied once :meth:`enforce` was called.

    It holds a descriptor until then.

    Connecting and binding by TCP is denied too: granted connections are made by the server.

    :param version: of the kernel's interface.
    """

    def __init__(self, version: int) -> None:
        self._files = _FILES_BY_VERSION[min(version, 5)]
        net = _TCP if version >= 4 else 0
        scopes = _SCOPES if version >= 6 else 0
        size = 8 if version < 4 else 16 if version < 6 else 24
        attributes = pack("=QQQ", self._files, net, scopes)[:size]
        self.fd = kernel.syscall(kernel.LANDLOCK_CREATE_RULESET, ctypes.c_char_p(attributes), size, 0)

    def allow(self, rights: int, paths: Iterable[str]) -> None:
        """Allow ``rights`` on files and beneath folders; a path that is not there is left out."""
        for path in paths:
            try:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                self._add(fd, rights)
            finally:
                os.close(fd)

    def enforce(self) -> None:
        """Restrict this process and all it will start. ``no_new_privs`` must be set."""
        kernel.syscall(kernel.LANDLOCK_RESTRICT_SELF, self.fd, 0)
        os.close(self.fd)

    def _add(self, fd: int, rights: int) -> None:
        rights &= self._files
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _FOR_FILES
        rule = pack("=Qi", rights, fd)
        kernel.syscall(kernel.LANDLOCK_ADD_RULE, self.fd, _RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0)
