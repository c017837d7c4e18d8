"""A package index on loopback (PEP 503, PEP 629, PEP 691) that can be told to misbehave."""

import base64
import hashlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cadence.dependencies.command import IndexOptions

_JSON = "application/vnd.pypi.simple.v1+json"


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that hung up."""


class WebIndex:
    """Serves the files of a folder. Its address has credentials in it, and it wants them.

    :ivar status: answered to everything, where it is not None.
    :ivar password: what it takes; the address holds ``secret``.
    :ivar wrong: hashes told instead of the right ones, by file name.
    :ivar truncated: file names of which only the first half is sent.
    :ivar asked: the paths it was asked for.
    """

    def __init__(self, folder: Path, cache: Path, tls: ssl.SSLContext | None = None) -> None:
        self.status: int | None = None
        self.password = "secret"
        self.wrong: dict[str, str] = {}
        self.truncated: set[str] = set()
        self.asked: list[str] = []
        self.folder = folder
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            # Not shaken hands with in the thread that accepts, and not raised there.
            self._server.socket = tls.wrap_socket(self._server.socket, True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.options = IndexOptions(index=f"http{'s' if tls else ''}://reader:secret@{self.host}/simple", cache=cache)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def page(self, name: str) -> bytes | None:
        """What there is of a package, None where that is nothing."""
        files = [
            path for path in sorted(self.folder.iterdir()) if path.name.partition("-")[0].replace("_", "-") == name
        ]
        if not files:
            return None
        listed = [
            {
                "filename": path.name,
                "url": f"/files/{path.name}",
                "size": path.stat().st_size,
                "hashes": {"sha256": self.wrong.get(path.name) or hashlib.sha256(path.read_bytes()).hexdigest()},
            }
            for path in files
        ]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": listed}).encode()

    def answer(self, path: str, authorization: str | None) -> tuple[int, bytes, int | None]:
        """Status and body, and how many bytes of that are sent, None for all."""
        credentials = base64.b64encode(f"reader:{self.password}".encode()).decode()
        kind, _, name = path.strip("/").partition("/")
        if self.status is not None:
            return self.status, b"", None
        if authorization != f"Basic {credentials}":
            return 401, b"", None
        if kind == "simple" and (page := self.page(name)) is not None:
            return 200, page, None
        if kind == "files" and (self.folder / name).is_file():
            content = (self.folder / name).read_bytes()
            return 200, content, len(content) // 2 if name in self.truncated else None
        return 404, b"", None


def _handler(index: WebIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            index.asked.append(self.path)
            status, content, cut = index.answer(self.path, self.headers["Authorization"])
            self._answer(status, content, cut)

        def _answer(self, status: int, content: bytes, cut: int | None) -> None:
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Type", _JSON if self.path.startswith("/simple") else "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[:cut])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
