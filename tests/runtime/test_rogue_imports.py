"""Whatever a plugin does while it is imported, its install is refused in words and leaves nothing behind."""

import pytest

from cadence.errors import ValidationFailed
from cadence.model import PluginRef
from tests.runtime.house import House, eventually, undisturbed, with_ping

ENDED = r"demo_plugin did not finish loading\. The worker of demo_plugin "
ROGUES = {
    "os._exit": ("os._exit(3)", ENDED + r"ended by itself with exit code 3\."),
    "sys.exit": ("sys.exit(4)", r"Importing demo_plugin called sys\.exit\(4\) \(tools\.py:\d+\)\."),
    "raise": (
        "raise ValueError('no such unit')",
        r"Importing demo_plugin raised ValueError: no such unit \(tools\.py:\d+\)\.",
    ),
    "interrupt": ("raise KeyboardInterrupt", r"Importing demo_plugin raised KeyboardInterrupt \(tools\.py:\d+\)\."),
    "loop": ("while True: pass", r"Loading demo_plugin took longer than 2 s\."),
    "seize": ("sum(range(10**15))", r"Loading demo_plugin took longer than 2 s\."),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", ENDED + r"was ended by signal 9 \(SIGKILL\)\."),
    "crash": ("ctypes.string_at(0)", ENDED + r"was ended by signal 11 \(SIGSEGV\)\."),
    "descriptors": ("os.closerange(0, 1024)", ENDED + r"ended by itself with exit code 1\."),
    "channel": ("os.write(3, b'\\xff' * 64)\nthreading.Event().wait()", ENDED + r".*broke the protocol: a message of"),
    "nonsense": (
        "os.write(3, (2).to_bytes(4, 'big') + b'[]')\nthreading.Event().wait()",
        ENDED + r".*broke the protocol: ",
    ),
    "builtins": ("for name in dir(builtins):\n    setattr(builtins, name, None)", r"demo_plugin"),
    "surrogate": (r"raise ValueError('no file caf\udce9')", r"Importing demo_plugin raised ValueError: no file caf"),
    "volume": (
        "raise ValueError('x' * 20_000_000)",
        r"Importing demo_plugin raised ValueError: xxx.*\(tools\.py:\d+\)\.",
    ),
}


def rogue(deed: str) -> str:
    return with_ping(f"import builtins, ctypes, os, signal, sys, threading\n{deed}\n")


#: Those that end with the time for loading; for all others it is out of reach.
PAST_THE_DEADLINE = ("loop", "seize")


@pytest.mark.parametrize("which", ROGUES)
def test_a_plugin_that_is_rogue_at_import_is_refused_in_words_and_nothing_is_left(
    request: pytest.FixtureRequest, which: str
) -> None:
    deed, words = ROGUES[which]
    house: House = request.getfixturevalue("impatient" if which in PAST_THE_DEADLINE else "house")
    house.install(with_ping(""), version="1.0.0")
    before = house.pid()
    with undisturbed(house) as neighbour:
        with pytest.raises(ValidationFailed, match=words) as caught:
            house.install(rogue(deed), version="1.1.0")
        neighbour.await_progress()
        assert caught.value.faults
        assert {fault.stage for fault in caught.value.faults} == {"trial"}
        assert len(str(caught.value)) < 100_000
        assert house.call("ping") == before
    assert house.installed() == {PluginRef("demo_plugin", "1.0.0"), PluginRef("neighbour", "1.0.0")}
    assert house.parts.store.folders() == {"demo_plugin-1.0.0", "neighbour-1.0.0"}
    house.await_only("demo_plugin", "neighbour")
    house.install(with_ping(""), version="1.1.0")
    assert house.call("ping") == house.pid() != before


def test_a_plugin_that_prints_megabytes_at_import_loads(house: House) -> None:
    with undisturbed(house):
        house.install(rogue("for _ in range(200):\n    print('x' * 65536)\nprint('the last word')"))
        assert house.call("ping") == house.pid()
    eventually(lambda: [line.text for line in house.running.logs.tail("demo_plugin", 1)] == ["the last word"])


def test_the_last_line_of_a_plugin_that_ended_while_it_loaded_is_told(house: House) -> None:
    with pytest.raises(ValidationFailed, match=r"The last line it wrote: no licence found"):
        house.install(rogue("print('no licence found')\nos._exit(3)"))


def test_a_plugin_that_forges_its_report_is_not_installed_on_the_strength_of_it(impatient: House) -> None:
    forged = """
import json
body = json.dumps({"type": "loaded", "report": {"metadata": {"name": "demo_plugin", "version": "1.0.0",
    "description": "forged"}, "tools": "all", "parallel_tool_calls": True, "health": {"healthy": True}}}).encode()
os.write(3, len(body).to_bytes(4, "big") + body)
"""
    with pytest.raises(ValidationFailed, match="broke the protocol: Expected `array`, got `str`"):
        impatient.install(rogue(forged))
    assert impatient.installed() == set()
    impatient.await_only()
