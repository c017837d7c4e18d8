"""What a confined plugin logs and prints comes to the plugin's log."""

from collections.abc import Iterator

import pytest

from cadence.parts import Parts
from tests.attacks.stage import PLUGINS
from tests.runtime.house import House, eventually


@pytest.fixture
def house(parts: Parts) -> Iterator[House]:
    yield House(parts)
    parts.close()


def test_what_is_logged_or_printed_is_in_the_plugins_log(house: House) -> None:
    house.install((PLUGINS / "talkative" / "tools.py").read_text(), "talkative")
    house.call("talk", "talkative")
    expected = {"WARNING talkative: a line of the log", "a line that was printed"}
    eventually(lambda: expected <= {line.text for line in house.running.logs.tail("talkative")})
