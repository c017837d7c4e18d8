"""A gateway and a process that connects through it, both of an ordinary user.

Run by root as ``python confined_by_user.py SERVER WORKER``: ``SERVER`` is ``root`` or ``user``, ``WORKER`` ``user``, or
``namespace`` for one in user and process namespaces below, or ``undumpable`` for one that nobody may look into. The
interpreter may lie where only root may read: so everything is imported before, and the worker is forked.
"""

import encodings.idna  # noqa: F401  (see above)
import os
import socket
import sys

from cadence.runtime.gateway import Gateway
from cadence.runtime.notification import receive_listener
from cadence_sdk._runtime.endpoint import parse_endpoint
from tests.runtime.confined_worker import become, confine

_USER = 65533


def main(server: str, worker: str) -> None:
    if server == "user":
        become(_USER)
    granted, other = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in (granted, other)]
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _connect(worker, theirs, ports)
    endpoints = (parse_endpoint(f"127.0.0.1:{ports[0]}"),)
    gateway = Gateway()
    gateway.attach(receive_listener(ours, 60.0), endpoints, lambda words: print(words, file=sys.stderr))
    os.waitpid(pid, 0)
    gateway.close()


def _connect(worker: str, channel: socket.socket, ports: list[int]) -> None:
    try:
        config = {
            "endpoints": [],
            "names": False,
            "namespace": worker == "namespace",
            "undumpable": worker == "undumpable",
            "user": _USER,
        }
        confine(config, channel)
        print(*("refused" if socket.socket().connect_ex(("127.0.0.1", port)) else "connected" for port in ports))
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  (the forked process must not go on in the caller's place)
        print(error, file=sys.stderr, flush=True)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
