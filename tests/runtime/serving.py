"""A server process for tests to kill: opens an instance, installs a plugin, says who runs, and waits.

Run as ``python serving.py INSTANCE SANDBOX``; prints one line of JSON.
"""

import json
import os
import sys
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from cadence.config import SandboxMode, Settings
from cadence.parts import Parts
from tests.runtime.house import House, with_ping

TOOLS = with_ping(
    """
    import subprocess

    @tool
    def beget() -> None:
        "Start a process."
        subprocess.Popen(["sleep", "1000"])

    @tool
    def descriptors() -> dict:
        "What is open here, but for what listing it opens."
        return {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                if os.path.exists(f"/proc/self/fd/{fd}") or os.path.islink(f"/proc/self/fd/{fd}")}

    @tool
    def environment() -> dict:
        "What is in the environment, now and at the start of the process."
        with open("/proc/self/environ") as file:
            return {"now": dict(os.environ), "first": file.read()}
    """,
    "beget",
    "descriptors",
    "environment",
)


def main(instance: Path, sandbox: SandboxMode) -> None:
    house = House(Parts(Settings(instance=instance, sandbox=sandbox, plugin_processes=1)))
    house.install(TOOLS)
    house.call("beget")
    (child,) = psutil.Process(house.pid()).children()
    seen = {
        "zygote": house.running.zygote.pid,
        "worker": house.pid(),
        "child": child.pid,
        "descriptors": house.call("descriptors"),
        "environment": house.call("environment"),
    }
    print(json.dumps(seen), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), SandboxMode(sys.argv[2]))
