"""A process whose connects are asked of a gateway, as a worker's are, but without the rest of the lockdown.

Run as ``python confined_worker.py CHANNEL CONFIG``; see :mod:`tests.runtime.confined`.
"""

import contextlib
import ctypes
import json
import os
import socket
import sys
import traceback
from typing import Any

from cadence_sdk._runtime.endpoint import Endpoint
from cadence_sdk._runtime.lockdown import connect, kernel, names

_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000  # linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


def become(user: int) -> None:
    """Give up root for good; as a program that was started by that user."""
    if os.geteuid() == 0:
        os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def confine(config: dict[str, Any], channel: socket.socket) -> None:
    """Leave the network where the host allows it, and have every connect asked of the server."""
    user = config.get("user")
    if user is None:  # from here on a connect that got through would reach nothing
        _unshare(_CLONE_NEWNET) or _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    else:
        become(user)
        if config.get("namespace"):
            assert _unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWPID), "no user namespaces here"
            _become_first()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    connect.send(channel, connect.install())
    if config.get("undumpable"):
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if config.get("names", True):
        names.install(tuple(Endpoint(*endpoint) for endpoint in config["endpoints"]), "demo")


def _become_first() -> None:
    """Go on as the first process of the new process namespace."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)
    assert os.getpid() == 1


def run(code: str) -> dict[str, Any]:
    """Run a test's code; it leaves what it found in ``result``."""
    space: dict[str, Any] = {"say": say, "hear": sys.stdin.readline, "raw_connect": raw_connect, "sockaddr": sockaddr}
    try:
        exec(code, space)
    except BaseException as error:  # noqa: BLE001  (whatever it is, the test is told)
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}", "errno": getattr(error, "errno", None)}
    return {"result": space.get("result")}


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


def sockaddr(host: str, port: int) -> ctypes.Array[ctypes.c_char]:
    """A ``struct sockaddr_in`` that can be changed while the kernel looks at it."""
    data = socket.AF_INET.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + socket.inet_aton(host) + bytes(8)
    return ctypes.create_string_buffer(data, len(data))


def raw_connect(fd: int, address: Any, size: int | None = None) -> int:
    """``connect(2)`` itself; its errno."""
    length = len(address) if size is None else size
    return ctypes.get_errno() if _libc.connect(fd, address, length) else 0


def _unshare(flags: int) -> bool:
    with contextlib.suppress(OSError):
        kernel.checked(_libc.unshare(flags))
        return True
    return False


if __name__ == "__main__":
    confine(json.loads(sys.argv[2]), socket.socket(fileno=int(sys.argv[1])))
    say(run(sys.stdin.readline() and json.loads(sys.argv[2])["code"]))
