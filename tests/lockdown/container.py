"""Runs a command as a container engine does by default: few capabilities, and a filter of system calls.

``python container.py COMMAND …``. The filter refuses what Docker's default profile refuses a process without
``CAP_SYS_ADMIN`` (https://docs.docker.com/engine/security/seccomp/), the capabilities are those it leaves to root.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path
from struct import pack

from cadence_sdk._runtime.lockdown import kernel, seccomp
from cadence_sdk._runtime.lockdown.seccomp import ALLOW, DENY, UNKNOWN, Check, Condition, Rule, Verdict

#: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD,
#: AUDIT_WRITE, SETFCAP (linux/capability.h)
KEPT = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))
NEW_NAMESPACES = 0x7E020000
#: unshare, setns, mount, umount2, pivot_root, mount_setattr, open_tree, move_mount, fsopen, bpf, perf_event_open,
#: keyctl, add_key, request_key, open_by_handle_at, process_vm_readv, ptrace, pidfd_getfd, userfaultfd, kcmp, quotactl
REFUSED = {
    "x86_64": (272, 308, 165, 166, 155, 442, 428, 429, 430, 321, 298, 250, 248, 249, 304, 310, 101, 438, 323, 312, 179),
    "aarch64": (97, 268, 40, 39, 41, 442, 428, 429, 430, 280, 241, 219, 217, 218, 265, 270, 117, 438, 282, 272, 60),
}
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435
LAST = 470


def contain() -> None:
    """Become what a container's process is."""
    if os.geteuid() == 0:
        for bit in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
            if not KEPT & 1 << bit:
                kernel.prctl(24, bit)  # PR_CAPBSET_DROP
        header, low = pack("=Ii", 0x20080522, 0), KEPT
        data = pack("=6I", low, low, 0, 0, 0, 0)
        kernel.syscall(kernel.CAPSET[platform.machine()], ctypes.c_char_p(header), ctypes.c_char_p(data))
    else:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)  # or a filter takes CAP_SYS_ADMIN
    verdicts: dict[int, Verdict] = dict.fromkeys(range(LAST), ALLOW)
    verdicts |= dict.fromkeys(REFUSED[platform.machine()], DENY)
    verdicts[CLONE[platform.machine()]] = Check((Rule((Condition(0, 0, NEW_NAMESPACES),), ALLOW),), DENY)
    verdicts[CLONE3] = UNKNOWN
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.load(seccomp.encode(seccomp.assemble(verdicts, LAST)))


if __name__ == "__main__":
    contain()
    os.execvp(sys.argv[1], sys.argv[1:])
