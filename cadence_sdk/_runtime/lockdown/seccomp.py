"""Seccomp: the list of system calls a worker may make, as a program for the kernel's packet filter machine.

The program is assembled here and not by ``libseccomp``: it is some eighty lines, needs no library of the host's, and
the numbers it must know stand in :mod:`~cadence_sdk._runtime.lockdown.syscalls`. A call that is on no list is
refused; one that is newer than the lists is answered as by a kernel that does not have it, because libraries try such
calls and go on without. The format: https://docs.kernel.org/userspace-api/seccomp_filter.html and
``linux/bpf_common.h``.
"""

import ctypes
import errno
import platform
from collections.abc import Mapping, Sequence
from struct import pack
from typing import NamedTuple

from cadence_sdk._runtime.lockdown import kernel

_SET_MODE_FILTER = 1
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
ALLOW = 0x7FFF0000
DENY = _ERRNO | errno.EPERM
UNKNOWN = _ERRNO | errno.ENOSYS

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
# struct seccomp_data
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
# linux/bpf_common.h: load a word, jump, jump if equal, jump if greater or equal, mask, return
_LOAD, _JUMP, _EQUAL, _AT_LEAST, _MASK, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x54, 0x06
_INSTRUCTION_BYTES = 8


class Instruction(NamedTuple):
    """One ``struct sock_filter``: operation, how far to jump when true and when false, operand."""

    code: int
    true: int
    false: int
    operand: int


class Condition(NamedTuple):
    """Holds when the low word of an argument, masked, has a value."""

    argument: int
    value: int
    mask: int = 0xFFFFFFFF


class Rule(NamedTuple):
    """What to do when all conditions hold."""

    conditions: tuple[Condition, ...]
    verdict: int


class Check(NamedTuple):
    """What to do with a call by its arguments: what the first rule says that holds."""

    rules: tuple[Rule, ...]
    otherwise: int


Verdict = int | Check
Program = list[Instruction]


def any_of(argument: int, *values: int) -> Check:
    """Allowed when an argument has one of some values."""
    return Check(tuple(Rule((Condition(argument, value),), ALLOW) for value in values), DENY)


def assemble(verdicts: Mapping[int, Verdict], last_known: int) -> Program:
    """The filter.

    :param verdicts: by the number of the system call; those up to ``last_known`` that are not there are denied, those
        beyond are answered as unknown.
    """
    machine = platform.machine()
    program = [
        Instruction(_LOAD, 0, 0, _ARCHITECTURE_AT),
        Instruction(_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        # Another table of numbers (32-bit) is no way around this one.
        Instruction(_RETURN, 0, 0, _KILL_PROCESS),
        Instruction(_LOAD, 0, 0, _NUMBER_AT),
    ]
    return program + _decide(_segments(verdicts, last_known))


def encode(program: Program) -> bytes:
    """A program as the kernel reads it."""
    return b"".join(pack("=HBBI", *instruction) for instruction in program)


def load(code: bytes) -> None:
    """Have the kernel apply a program to this process and all it will start. ``no_new_privs`` must be set.

    :raises OSError: when the kernel refuses.
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    descriptor = pack("@HP", len(code) // _INSTRUCTION_BYTES, ctypes.addressof(buffer))  # struct sock_fprog
    kernel.syscall(kernel.SECCOMP[platform.machine()], _SET_MODE_FILTER, 0, ctypes.c_char_p(descriptor))


def _segments(verdicts: Mapping[int, Verdict], last_known: int) -> list[tuple[int, Verdict]]:
    """The whole range of numbers as stretches with one verdict each, by their first number."""
    segments: list[tuple[int, Verdict]] = []
    for number in range(last_known + 1):
        verdict = verdicts.get(number, DENY)
        if not segments or segments[-1][1] != verdict:
            segments.append((number, verdict))
    # On x86_64 those from 2^30 on are the x32 table: unknown, like all that is beyond.
    return [*segments, (last_known + 1, UNKNOWN)]


def _decide(segments: Sequence[tuple[int, Verdict]]) -> Program:
    """A binary search over the segments."""
    if len(segments) == 1:
        return _conclude(segments[0][1])
    middle = len(segments) // 2
    low, high = _decide(segments[:middle]), _decide(segments[middle:])
    # A conditional jump reaches 255 instructions, an unconditional one any number.
    return [
        Instruction(_AT_LEAST, 0, 1, segments[middle][0]),
        Instruction(_JUMP, 0, 0, len(low)),
        *low,
        *high,
    ]


def _conclude(verdict: Verdict) -> Program:
    if isinstance(verdict, int):
        return [Instruction(_RETURN, 0, 0, verdict)]
    program = [instruction for rule in verdict.rules for instruction in _rule(rule)]
    return [*program, Instruction(_RETURN, 0, 0, verdict.otherwise)]


def _rule(rule: Rule) -> Program:
    """The instructions of one rule; a condition that does not hold jumps behind its end."""
    program: Program = [Instruction(_RETURN, 0, 0, rule.verdict)]
    for condition in reversed(rule.conditions):
        program = [
            # The low word: all arguments that are looked at are of 32 bits. Both machines are little-endian.
            Instruction(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * condition.argument),
            Instruction(_MASK, 0, 0, condition.mask),
            Instruction(_EQUAL, 0, len(program), condition.value),
            *program,
        ]
    return program
