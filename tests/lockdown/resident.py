"""A server without a web, to be run in a container: what its sandbox has, and what a plugin comes to there, as JSON."""

import json
import sys
from pathlib import Path

from cadence.config import Settings, load_settings
from cadence.errors import CadenceError
from cadence.parts import Parts
from tests.runtime.house import House, with_ping

TOOLS = """
    import socket

    @tool
    def shadow() -> str:
        "Reads what no plugin may."
        return open("/etc/shadow").read()

    @tool
    def store(path: str) -> list[str]:
        "Lists the index and its neighbours."
        return os.listdir(path)

    @tool
    def telephone(port: int) -> str:
        "Connects to the host."
        return str(socket.create_connection(("127.0.0.1", port), timeout=5))

    @tool
    def fork() -> int:
        "Starts a process."
        child = os.fork()
        if not child:
            os._exit(0)
        return child

    @tool
    def note() -> str:
        "Keeps something in its data directory."
        with open("note", "w") as file:
            file.write("kept")
        return open("note").read()
"""


def main(instance: Path) -> None:
    settings: Settings = load_settings({"CADENCE_INSTANCE": str(instance), "CADENCE_SANDBOX": sys.argv[2]})
    parts = Parts(settings)
    try:
        running = parts.start()
        layers = {layer.name: [layer.active, layer.reason] for layer in running.zygote.layers}
        print(json.dumps({"layers": layers, "outcomes": outcomes(House(parts), instance)}))
    finally:
        parts.close()


def outcomes(house: House, instance: Path) -> dict[str, str]:
    try:
        house.install(with_ping(TOOLS, "shadow", "store", "telephone", "fork", "note"))
    except CadenceError as error:
        return {"install": error.in_words}
    calls: dict[str, dict[str, object]] = {
        "ping": {},
        "shadow": {},
        "store": {"path": str(instance)},
        "telephone": {"port": int(sys.argv[3])},
        "fork": {},
        "note": {},
    }
    return {tool: outcome(house, tool, arguments) for tool, arguments in calls.items()}


def outcome(house: House, tool: str, arguments: dict[str, object]) -> str:
    try:
        return str(house.call(tool, **arguments))
    except CadenceError as error:
        return f"failed: {error.in_words}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
