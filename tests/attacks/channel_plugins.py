"""Plugins that attack the server through what a worker shares with it: its channel (descriptor 3) and its log pipe."""

from textwrap import dedent, indent

from tests.building import plugin_files
from tests.runtime.house import PING

#: What an attacker has at hand beside the deed a test gives it. ``now`` and ``done`` are files in its data directory,
#: by which a test says when, and is told.
WEAPONS = '''
import fcntl, json, os, socket, sys, threading, time
from pathlib import Path

from cadence_sdk import tool

CHANNEL = 3


def framed(body):
    """The bytes as a message lies in the channel."""
    return len(body).to_bytes(4, "big") + body


def message(**fields):
    return framed(json.dumps(fields).encode())


def result(id_, value="forged"):
    return message(type="result", id=id_, value=value)


def report(**fields):
    """The first message of a worker, with everything in it as it should be but for what is given."""
    metadata = {"name": "demo_plugin", "version": "1.0.0", "description": "forged"} | fields
    return message(type="loaded", report={
        "metadata": metadata, "tools": [], "parallel_tool_calls": True, "health": {"healthy": True}})


def pour(data, descriptor=CHANNEL):
    """Write all of it, however long that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


def replace_channel():
    """Close the channel, with a socket in its place that says nothing: so the worker lives on."""
    global kept
    mute, kept = socket.socketpair()
    os.dup2(mute.fileno(), CHANNEL)


def own_id():
    """The id of the request that is being answered, from the frames of those who called."""
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get("request"), "id"):
        frame = frame.f_back
    return frame.f_locals["request"].id


def wait():
    threading.Event().wait()


def await_file(path):
    while not Path(path).exists():
        time.sleep(0.01)


@tool
def measure(text: str) -> int:
    "How long it is."
    return len(text)
'''

TOOLS = """
@tool
def attack():
    "Do harm."
    {attack}


def harm():
    {later}
    Path("done").touch()


def when_told():
    await_file("now")
    harm()


@tool
def prepare() -> None:
    "Do harm when told, in the background."
    threading.Thread(target=when_told, daemon=True).start()


@tool
def patient() -> str:
    "Answer when told."
    await_file("now")
    return "true"

TOOLS = [ping, measure, attack, prepare, patient]
"""


def attacker(
    attack: str = "pass", *, later: str = "pass", at_import: str = "", plugin_body: str = ""
) -> dict[str, str]:
    """The files of a plugin that attacks.

    :param attack: what its tool ``attack`` does.
    :param later: what it does in the background once there is a file ``now``, after its tool ``prepare`` was called.
    :param at_import: what it does when it is imported.
    :param plugin_body: more members of its plugin class.
    """
    tools = TOOLS.format(attack=_block(attack), later=_block(later))
    return plugin_files(tools=f"{WEAPONS}\n{dedent(PING)}\n{dedent(at_import)}\n{tools}", plugin_body=plugin_body)


def _block(deed: str) -> str:
    """The statements, as they stand in a function."""
    return indent(dedent(deed).strip(), "    ").strip()
