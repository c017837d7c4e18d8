"""Decisions from the command line while no server runs, or none can: only the index is changed."""

from collections.abc import Callable

import pytest

from cadence import switching
from cadence.errors import NotFound
from cadence.history import EventKind, PluginState
from cadence.storage.index import Index
from cadence.storage.locks import Busy, plugin_lock
from cadence.switching import NothingBefore, Switched, Switcher
from tests.storage.test_versions import active_version, put


@pytest.fixture
def switcher(index: Index) -> Switcher:
    for version in ("1.0", "2.0", "3.0"):
        put(index, "math", version)
    return Switcher(index)


def test_a_version_is_activated(switcher: Switcher, index: Index) -> None:
    generation = index.generation()
    state = PluginState("math", "1.0")
    assert switcher.activate("math", "1.0") == Switched("math", "1.0", "3.0", state)
    assert (active_version(index, "math"), index.generation()) == ("1.0", generation + 1)


def test_a_plugin_is_rolled_back_step_by_step(switcher: Switcher) -> None:
    assert switcher.roll_back("math").version == "2.0"
    done = switcher.roll_back("math", trial=False)
    assert (done.version, done.previous_version) == ("1.0", "2.0")
    with pytest.raises(NothingBefore) as refused:
        switcher.roll_back("math")
    assert refused.value.status == 409
    assert "No version of math was active before the present one" in refused.value.in_words


def test_a_version_is_pinned_and_unpinned(switcher: Switcher) -> None:
    assert switcher.pin("math").state == PluginState("math", "3.0", pinned=True)
    assert switcher.pin("math", "3.0").state.pinned
    moved = switcher.pin("math", "1.0")
    assert (moved.version, moved.previous_version) == ("1.0", "3.0")
    assert moved.state == PluginState("math", "1.0", pinned=True)
    assert switcher.unpin("math") == Switched("math", "1.0", "1.0", PluginState("math", "1.0"))


def test_a_plugin_is_disabled_and_enabled(switcher: Switcher, index: Index) -> None:
    assert switcher.disable("math") == Switched("math", "3.0", "3.0", PluginState("math", "3.0", disabled=True))
    assert index.active() == {}
    switcher.activate("math", "1.0")
    assert index.active() == {}
    assert switcher.enable("math").state == PluginState("math", "1.0")
    assert switcher.enable("math").version == "1.0"
    assert active_version(index, "math") == "1.0"


def test_each_decision_is_told_once(switcher: Switcher, index: Index) -> None:
    for decide in (switcher.pin, switcher.unpin, switcher.disable, switcher.enable, switcher.roll_back):
        decide("math")
    switcher.activate("math", "3.0")
    assert [(event.kind, event.version) for event in reversed(index.events("math"))] == [
        (EventKind.PINNED, "3.0"),
        (EventKind.UNPINNED, None),
        (EventKind.DISABLED, None),
        (EventKind.ENABLED, None),
        (EventKind.ROLLED_BACK, "2.0"),
        (EventKind.ACTIVATED, "3.0"),
    ]


@pytest.mark.parametrize(
    "decide",
    [
        lambda switcher: switcher.activate("absent", "1.0"),
        lambda switcher: switcher.activate("math", "4.0"),
        lambda switcher: switcher.pin("math", "4.0"),
        lambda switcher: switcher.pin("absent"),
        lambda switcher: switcher.pin("absent", "1.0"),
        lambda switcher: switcher.unpin("absent"),
        lambda switcher: switcher.roll_back("absent"),
        lambda switcher: switcher.disable("absent"),
        lambda switcher: switcher.enable("absent"),
        lambda switcher: switcher.activate("../etc", "1.0"),
    ],
)
def test_what_is_not_installed_is_not_found_and_leaves_no_lock(
    switcher: Switcher, index: Index, decide: Callable[[Switcher], object]
) -> None:
    with pytest.raises(NotFound):
        decide(switcher)
    assert not list((index.instance / "locks").glob("*"))
    assert active_version(index, "math") == "3.0"


def test_a_decision_waits_for_an_install_and_not_for_ever_but_disabling_does_not_wait(
    switcher: Switcher, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "WAIT_SECONDS", 0.0)
    with plugin_lock(index.instance, "math"):
        for decide in (switcher.roll_back, switcher.enable, lambda name: switcher.activate(name, "1.0")):
            with pytest.raises(Busy, match="Another change of math is under way"):
                decide("math")
        assert switcher.disable("math").state.disabled
