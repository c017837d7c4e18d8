"""The floor of HTTP: ``python -m benchmarks.floor PORT THREADS`` serves one trivial answer, as Cadence is served."""

import sys

from flask import Flask, Response
from granian import Granian
from granian.constants import Interfaces

app = Flask(__name__)


@app.route("/", methods=["GET", "POST"])
def answer() -> Response:
    """Answer anything."""
    return Response(b'{"ok":true}', mimetype="application/json")


def serve(port: int, threads: int) -> None:
    """Serve until the process is told to end, with the settings of :mod:`cadence.server`."""
    server = Granian(
        "benchmarks.floor:app",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=threads,
        log_enabled=False,
        websockets=False,
    )
    server.serve()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
