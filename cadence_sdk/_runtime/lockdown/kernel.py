"""System calls that Python has no function for, through ``syscall(2)``."""

import ctypes
import os

#: Loaded before the fork: opening a library takes a millisecond that every worker would pay.
LIBC = ctypes.CDLL(None, use_errno=True)
#: Looked up before the fork too.
mount, unshare, _prctl, _syscall = LIBC.mount, LIBC.unshare, LIBC.prctl, LIBC.syscall

# prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2

# The same on every architecture, as all system calls since 2019 are, and these older ones by chance or table.
SECCOMP = {"x86_64": 317, "aarch64": 277}
CAPSET = {"x86_64": 126, "aarch64": 91}
MOUNT_SETATTR = 442
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_ADD_RULE = 445
LANDLOCK_RESTRICT_SELF = 446


def syscall(number: int, *arguments: object) -> int:
    """Make a system call and return its result; integers go as ``long``, all else as ctypes has it.

    :raises OSError: when the kernel refuses.
    """
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return checked(_syscall(ctypes.c_long(number), *passed))


def prctl(option: int, *arguments: int) -> int:
    """``prctl(2)``, with the arguments that are not given as 0.

    :raises OSError: when the kernel refuses.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return checked(_prctl(option, *(ctypes.c_ulong(one) for one in padded)))


def checked(result: int) -> int:
    """The result of a C function that says -1 for an error.

    :raises OSError: with the errno it left.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
