"""Two operators act on one plugin at once: of two who have seen the same, one is heard, and the other told why not."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cadence.errors import NotFound
from cadence.expectation import ANYTHING, Expected, Outdated
from cadence.history import Activation, Event, PluginState, Reason
from cadence.model import PluginRef
from cadence.runtime.keeper import Keeper
from cadence.storage.index import Index
from cadence.switching import Switcher
from tests.runtime.house import House, with_ping
from tests.storage.house import record_of
from tests.storage.test_versions import install, put

ONE, THREE = PluginRef("math", "1.0"), PluginRef("math", "3.0")
#: What the page shows of the plugin as :func:`index` has it.
SEEN = Expected(active_version="3.0", pinned=False, disabled=False)
Decision = Callable[[Switcher, Expected], object]

DECISIONS: dict[str, Decision] = {
    "activate": lambda switcher, seen: switcher.activate("math", "1.0", expected=seen),
    "activate and pin": lambda switcher, seen: switcher.activate("math", "2.0", pin=True, expected=seen),
    "roll back": lambda switcher, seen: switcher.roll_back("math", expected=seen),
    "pin": lambda switcher, seen: switcher.pin("math", expected=seen),
    "pin another": lambda switcher, seen: switcher.pin("math", "2.0", expected=seen),
    "disable": lambda switcher, seen: switcher.disable("math", seen),
}
UNDOING: dict[str, Decision] = {
    "unpin": lambda switcher, seen: switcher.unpin("math", seen),
    "enable": lambda switcher, seen: switcher.enable("math", expected=seen),
}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """A plugin in three versions, of which the highest is active."""
    with Index.open(tmp_path / "index.db") as index:
        for version in ("1.0", "2.0", "3.0"):
            put(index, "math", version)
        yield index


def told(index: Index) -> tuple[PluginState | None, int, list[Event], list[Activation]]:
    """Everything that a decision changes."""
    return index.plugin_state("math"), index.generation(), index.events("math"), index.activations("math")


@pytest.mark.parametrize("second", DECISIONS)
@pytest.mark.parametrize("first", DECISIONS)
def test_the_second_is_told_how_it_stands_now_and_what_the_first_did_stays(
    index: Index, first: str, second: str
) -> None:
    switcher = Switcher(index)
    DECISIONS[first](switcher, SEEN)
    before = told(index)
    with pytest.raises(Outdated, match=r"^Nothing was changed: math changed since you looked: .+ now\.") as refused:
        DECISIONS[second](switcher, SEEN)
    assert refused.value.status == 409
    assert told(index) == before


@pytest.mark.parametrize("second", UNDOING)
@pytest.mark.parametrize("first", sorted({*DECISIONS, *UNDOING} - {"pin", "disable"}))
def test_so_is_whoever_lets_go_what_is_held(index: Index, first: str, second: str) -> None:
    switcher = Switcher(index)
    switcher.pin("math")
    switcher.disable("math")
    seen = Expected(active_version="3.0", pinned=True, disabled=True)
    (DECISIONS | UNDOING)[first](switcher, seen)
    before = told(index)
    with pytest.raises(Outdated):
        UNDOING[second](switcher, seen)
    assert told(index) == before


@pytest.mark.parametrize("decision", DECISIONS)
def test_of_many_at_the_same_moment_one_is_heard(index: Index, decision: str) -> None:
    ready = threading.Barrier(8)
    done: list[str] = []

    def operator() -> None:
        switcher = Switcher(index)
        ready.wait(30)
        try:
            DECISIONS[decision](switcher, SEEN)
        except Outdated as refused:
            done.append(refused.in_words)
        else:
            done.append("heard")

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(operator) for _ in range(8)]:
            one.result(60)
    assert done.count("heard") == 1
    assert all("changed since you looked" in words for words in done if words != "heard")


def test_of_different_decisions_at_the_same_moment_one_is_heard(index: Index) -> None:
    """With nothing but what was seen to tell them apart: whoever comes first changes that for all others."""
    for _ in range(5):
        state = index.plugin_state("math")
        assert state is not None
        seen = Expected(active_version=state.active_version, pinned=state.pinned, disabled=state.disabled)
        ready = threading.Barrier(len(DECISIONS))
        heard: list[str] = []

        def operator(
            decision: str, seen: Expected = seen, ready: threading.Barrier = ready, heard: list[str] = heard
        ) -> None:
            ready.wait(30)
            try:
                DECISIONS[decision](Switcher(index), seen)
            except Outdated:
                return
            heard.append(decision)

        with ThreadPoolExecutor(len(DECISIONS)) as pool:
            list(pool.map(operator, DECISIONS))
        assert len(heard) == 1
        Switcher(index).enable("math")
        Switcher(index).unpin("math")
        Switcher(index).activate("math", "3.0")


def test_who_looked_at_nothing_is_always_heard(index: Index) -> None:
    switcher = Switcher(index)
    for decision in (*DECISIONS.values(), *UNDOING.values()):
        decision(switcher, ANYTHING)


def test_what_nobody_said_was_seen_may_be_anything(index: Index) -> None:
    switcher = Switcher(index)
    switcher.pin("math")
    assert switcher.activate("math", "1.0", expected=Expected(active_version="3.0")).version == "1.0"
    switcher.disable("math", Expected(pinned=False))
    assert switcher.enable("math", expected=Expected(disabled=True)).version == "1.0"


@pytest.mark.parametrize(("about", "decision"), [("1.0", "activate"), ("2.0", "roll back"), ("3.0", "pin")])
def test_a_version_that_was_installed_anew_is_not_what_was_seen(index: Index, about: str, decision: str) -> None:
    seen = Expected(active_version="3.0", install_id=f"math-{about}")
    install(index, record_of(PluginRef("math", about), "another"), activate=False)
    before = told(index)
    with pytest.raises(Outdated, match=f"{about} is another install of that version now"):
        DECISIONS[decision](Switcher(index), seen)
    assert told(index) == before


def test_a_roll_back_leads_where_it_was_said_to_or_nowhere(index: Index) -> None:
    switcher = Switcher(index)
    index.remove(PluginRef("math", "2.0"))
    with pytest.raises(Outdated, match=r"a roll back would lead to 1\.0 now"):
        switcher.roll_back("math", expected=Expected(active_version="3.0", target="2.0"))
    assert switcher.roll_back("math", expected=Expected(active_version="3.0", target="1.0")).version == "1.0"
    with pytest.raises(Outdated, match="a roll back would leave no version to answer now"):
        switcher.roll_back("math", expected=Expected(target="1.0"))


def test_what_the_server_took_back_meanwhile_is_told_too(index: Index) -> None:
    index.take_back(THREE, "math-3.0", Reason("crashes", "It crashed."))
    for decision in DECISIONS.values():
        with pytest.raises(Outdated, match=r"2\.0 is active now"):
            decision(Switcher(index), SEEN)


def test_where_nothing_is_active_any_more_it_is_said(index: Index) -> None:
    for version in ("3.0", "2.0", "1.0"):
        index.take_back(PluginRef("math", version), f"math-{version}", Reason("crashes", "It crashed."))
    with pytest.raises(Outdated, match="no version of it is active now"):
        Switcher(index).activate("math", "1.0", expected=SEEN)
    Switcher(index).activate("math", "1.0", expected=Expected(active_version=None))


def test_a_pin_of_a_version_by_name_pins_no_other(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else activates another between the look at what is active and the pin."""
    original = Index.pin

    def overtaken(self: Index, name: str, expected: Expected = ANYTHING) -> None:
        self.activate(name, "1.0")
        original(self, name, expected)

    monkeypatch.setattr(Index, "pin", overtaken)
    with pytest.raises(Outdated, match=r"1\.0 is active now"):
        Switcher(index).pin("math", "3.0")
    assert index.plugin_state("math") == PluginState("math", "1.0")


def test_a_plugin_that_is_gone_is_not_found(index: Index) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.remove(PluginRef("math", version))
    for decision in (*DECISIONS.values(), *UNDOING.values()):
        with pytest.raises(NotFound):
            decision(Switcher(index), SEEN)


# In a server, where a version is tried out before it is decided


def saying(word: str) -> str:
    return with_ping(f'@tool\ndef say() -> str:\n    "Say."\n    return {word!r}\n', "say")


@pytest.fixture
def two(house: House) -> House:
    house.install(saying("one"), version="1.0.0")
    house.install(saying("two"), version="2.0.0")
    return house


def test_who_decides_while_another_version_is_tried_out_is_not_overruled_by_it(
    two: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pin waits for nobody, and an activation that began before it would lift it."""
    tried, go = threading.Event(), threading.Event()
    original = Keeper.trial

    def held(*args: object, **kwargs: object) -> object:
        worker = original(*args, **kwargs)  # type: ignore[arg-type]  # as it was called
        tried.set()
        assert go.wait(30)
        return worker

    monkeypatch.setattr(Keeper, "trial", held)
    seen = Expected(active_version="2.0.0", pinned=False, disabled=False)
    switcher, name = two.running.switcher, "demo_plugin"
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(switcher.roll_back, name, expected=seen)
        assert tried.wait(30)
        switcher.pin(name, expected=seen)
        go.set()
        with pytest.raises(Outdated, match="it is pinned now"):
            second.result(30)
    assert two.parts.index.plugin_state(name) == PluginState(name, "2.0.0", pinned=True)
    assert two.call("say") == "two"
    two.await_only(name)


def test_who_comes_too_late_starts_no_worker(two: House, monkeypatch: pytest.MonkeyPatch) -> None:
    switcher, name = two.running.switcher, "demo_plugin"
    seen = Expected(active_version="2.0.0")
    assert switcher.roll_back(name, expected=seen).version == "1.0.0"
    monkeypatch.setattr(Keeper, "trial", lambda *_, **__: pytest.fail("a worker was started"))
    with pytest.raises(Outdated):
        switcher.activate(name, "2.0.0", expected=seen)
    assert two.call("say") == "one"
