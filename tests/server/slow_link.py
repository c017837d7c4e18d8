"""A link to a server that carries what is sent to it only so fast, and can be cut."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SLICE_SECONDS = 0.02


class SlowLink:
    """A port that leads to another one. What clients send passes at ``bytes_per_second``; answers pass at once.

    :ivar passed_bytes: what clients have sent so far that was handed on to the server.
    :ivar is_cut: whether it leads nowhere.
    """

    def __init__(self, port: int, bytes_per_second: int) -> None:
        self.bytes_per_second = bytes_per_second
        self.passed_bytes = 0
        self.is_cut = False
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._guard = threading.Lock()
        self._is_closed = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def cut(self) -> None:
        """Break every connection there is, and every new one: browsers try once more by themselves. Until mended."""
        with self._guard:
            self.is_cut = True
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    one.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def close(self) -> None:
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._guard:
                self._open += [client, server]
            for source, target, is_slow in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._carry, args=(source, target, is_slow))
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, target: socket.socket, is_slow: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(max(1, int(self.bytes_per_second * _SLICE_SECONDS)) if is_slow else 65_536):
                target.sendall(data)
                if is_slow:
                    self.passed_bytes += len(data)
                    time.sleep(len(data) / self.bytes_per_second)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        source.close()


@contextmanager
def slow_link(port: int, bytes_per_second: int) -> Iterator[SlowLink]:
    """A link that is gone afterwards."""
    link = SlowLink(port, bytes_per_second)
    try:
        yield link
    finally:
        link.close()
