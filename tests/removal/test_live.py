"""Deleting and bringing back in a server: somebody answers all the time, and at the end it is the right one."""

import pytest

from cadence.config import Settings
from cadence.errors import NotFound
from cadence.model import PluginRef
from cadence.parts import Parts
from tests.runtime.house import House, with_ping

NAME = "demo_plugin"
ONE, TWO = PluginRef(NAME, "1.0.0"), PluginRef(NAME, "2.0.0")


def saying(word: str) -> str:
    return with_ping(f'@tool\ndef say() -> str:\n    "Say."\n    return {word!r}\n', "say")


@pytest.fixture
def two(parts: Parts) -> House:
    house = House(parts)
    house.install(saying("one"), version="1.0.0")
    house.install(saying("two"), version="2.0.0")
    return house


def test_a_deleted_version_gives_way_to_the_one_before_and_answers_again_when_it_is_restored(two: House) -> None:
    remover = two.running.remover
    assert remover.delete(TWO) == "1.0.0"
    assert two.call("say") == "one"
    two.await_only(NAME)
    assert remover.restore(TWO).activated
    assert two.call("say") == "two"
    two.await_only(NAME)


def test_the_last_version_is_not_found_until_it_is_restored(two: House) -> None:
    remover = two.running.remover
    remover.delete(ONE)
    assert remover.delete(TWO) is None
    with pytest.raises(NotFound):
        two.call("say")
    two.await_only()
    remover.restore(TWO)
    assert two.call("say") == "two"


def test_deleting_another_version_leaves_the_worker_that_answers_alone(two: House) -> None:
    pid = two.pid()
    two.running.remover.delete(ONE)
    assert two.pid() == pid
    two.running.remover.restore(ONE)
    assert (two.pid(), two.call("say")) == (pid, "two")


def test_what_was_kept_long_enough_goes_when_the_house_is_tidied(two: House, settings: Settings) -> None:
    remover, index = two.running.remover, two.parts.index
    remover.delete(TWO)
    assert (settings.archive_dir / ".deleted").is_dir()
    index.database.execute("UPDATE deleted SET expires_at = deleted_at")
    for chore in two.running.housekeeper.chores:
        chore()
    assert two.parts.store.deleted_ids() == set()
    with pytest.raises(NotFound):
        remover.restore(TWO)
