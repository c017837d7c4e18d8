"""Decisions in a server: what is to answer is loaded first, and until it has, the version before it answers."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cadence.errors import CadenceError, PluginUnavailable, ValidationFailed
from cadence.history import EventKind, Reason
from cadence.model import InstallOptions, PluginRef
from cadence.runtime.keeper import Keeper
from cadence.switching import Switcher
from tests.building import archive_bytes, plugin_files
from tests.runtime.house import House, eventually, with_ping

NAME = "demo_plugin"
ONE, TWO = PluginRef(NAME, "1.0.0"), PluginRef(NAME, "2.0.0")


def saying(word: str, body: str = "") -> str:
    return with_ping(f'{body}\n\n@tool\ndef say() -> str:\n    "Say."\n    return {word!r}\n', "say")


#: Loads as long as there is no file "worn" in its data folder.
WEARS_OUT = """
import pathlib
if pathlib.Path("worn").exists():
    raise RuntimeError("worn out")
"""


@pytest.fixture
def two(house: House) -> House:
    """2.0.0 answers, and 1.0.0 before it."""
    house.install(saying("one", WEARS_OUT), version="1.0.0")
    house.install(saying("two"), version="2.0.0")
    return house


@pytest.fixture
def switcher(two: House) -> Switcher:
    return two.running.switcher


def wear_out(house: House) -> None:
    (house.meeting_place() / "worn").touch()


def test_a_version_is_activated_and_answers_when_that_returns(two: House, switcher: Switcher) -> None:
    done = switcher.activate(NAME, "1.0.0")
    assert (done.version, done.previous_version) == ("1.0.0", "2.0.0")
    assert two.call("say") == "one"
    live = two.live()
    assert (live.record.ref, live.record.active) == (ONE, True)
    two.await_only(NAME)
    assert switcher.activate(NAME, "2.0.0").previous_version == "1.0.0"
    assert two.call("say") == "two"


def test_a_version_that_does_not_load_changes_nothing(two: House, switcher: Switcher) -> None:
    wear_out(two)
    before = (two.pid(), two.parts.index.generation(), two.parts.index.plugin_state(NAME))
    for decide in (switcher.roll_back, lambda name: switcher.activate(name, "1.0.0", pin=True)):
        with pytest.raises(ValidationFailed, match="worn out"):
            decide(NAME)
    assert (two.pid(), two.parts.index.generation(), two.parts.index.plugin_state(NAME)) == before
    assert two.parts.index.events(NAME) == []
    assert two.call("say") == "two"
    two.await_only(NAME)


def test_the_old_version_answers_until_the_new_one_has_loaded(
    two: House, switcher: Switcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, go = threading.Event(), threading.Event()
    original = Keeper.trial

    def held(*args: object, **kwargs: object) -> object:
        worker = original(*args, **kwargs)  # type: ignore[arg-type]  # as it was called
        loaded.set()
        assert go.wait(30)
        return worker

    monkeypatch.setattr(Keeper, "trial", held)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(switcher.roll_back, NAME)
        assert loaded.wait(30)
        assert two.call("say") == "two"
        go.set()
        assert done.result(30).version == "1.0.0"
    assert two.call("say") == "one"


def test_rolled_back_twice_there_is_nothing_before(two: House, switcher: Switcher) -> None:
    assert switcher.roll_back(NAME).version == "1.0.0"
    with pytest.raises(CadenceError) as refused:
        switcher.roll_back(NAME)
    assert refused.value.status == 409


def test_a_disabled_plugin_does_not_answer_and_has_no_process_until_it_is_enabled(
    two: House, switcher: Switcher
) -> None:
    switcher.disable(NAME)
    with pytest.raises(PluginUnavailable, match="disabled"):
        two.call("say")
    two.await_only()
    assert switcher.activate(NAME, "1.0.0").state.disabled
    two.install(saying("three"), version="3.0.0")
    assert two.parts.index.plugin_state(NAME) == switcher.disable(NAME).state
    with pytest.raises(PluginUnavailable, match="disabled"):
        two.call("say")
    two.await_only()
    assert switcher.enable(NAME).version == "3.0.0"
    assert two.call("say") == "three"


def test_a_plugin_whose_version_does_not_load_stays_disabled(two: House, switcher: Switcher) -> None:
    switcher.activate(NAME, "1.0.0")
    switcher.disable(NAME)
    wear_out(two)
    with pytest.raises(ValidationFailed, match="worn out"):
        switcher.enable(NAME)
    state = two.parts.index.plugin_state(NAME)
    assert state is not None
    assert state.disabled


def test_an_upload_does_not_take_over_from_a_pinned_version_unless_it_is_to(two: House, switcher: Switcher) -> None:
    switcher.pin(NAME, "1.0.0")
    assert two.call("say") == "one"
    assert not two.install(saying("three"), version="3.0.0").activated
    assert two.call("say") == "one"
    with two.running.receive() as file:
        file.write(archive_bytes(plugin_files(NAME, "4.0.0", tools=saying("four"))))
        upload = file.finish(f"{NAME}-4.0.0.zip")
    assert two.running.installer.install(upload, InstallOptions(activate=True)).activated
    assert two.call("say") == "four"
    state = two.parts.index.plugin_state(NAME)
    assert state is not None
    assert not state.pinned


def test_a_quarantine_is_lifted_by_an_operator_and_by_a_forced_upload(two: House, switcher: Switcher) -> None:
    index = two.parts.index

    def take_back() -> None:
        record = index.version(TWO)
        assert record is not None
        assert index.take_back(TWO, record.install_id, Reason("crashes", "It crashed.")) is not None

    take_back()
    switcher.activate(NAME, "2.0.0")
    assert two.call("say") == "two"
    take_back()
    assert two.install(saying("mended"), version="2.0.0").activated
    assert two.call("say") == "mended"
    assert [record.quarantine for record in index.versions_of(NAME)] == [None, None]


def test_a_version_that_was_taken_back_while_it_was_tried_out_does_not_answer(
    two: House, switcher: Switcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another server, which was faster to see that it is bad."""
    index = two.parts.index
    decide = index.activate

    def activate_and_take_back(*args: object, **kwargs: object) -> object:
        decided = decide(*args, **kwargs)  # type: ignore[arg-type]  # as it was called
        record = index.version(ONE)
        assert record is not None
        assert index.take_back(ONE, record.install_id, Reason("crashes", "It crashed.")) is not None
        return decided

    monkeypatch.setattr(index, "activate", activate_and_take_back)
    assert switcher.activate(NAME, "1.0.0").state.active_version == "2.0.0"
    assert two.call("say") == "two"
    two.await_only(NAME)


def test_without_a_trial_nothing_is_started_and_the_servers_follow(two: House, switcher: Switcher) -> None:
    pid = two.pid()
    assert switcher.roll_back(NAME, trial=False).version == "1.0.0"
    assert (two.pid(), two.call("say")) == (pid, "two")
    two.running.reconciler.catch_up()
    assert two.call("say") == "one"


def test_decisions_and_installs_of_one_plugin_side_by_side_all_come_to_an_end(two: House, switcher: Switcher) -> None:
    def install() -> None:
        two.install(saying("three"), version="3.0.0")

    jobs = [
        install,
        lambda: switcher.activate(NAME, "1.0.0"),
        lambda: switcher.disable(NAME),
        lambda: switcher.enable(NAME),
        lambda: switcher.pin(NAME, "2.0.0"),
        lambda: two.running.remover.delete(ONE),
    ]

    def quietly(job: Callable[[], object]) -> None:
        with contextlib.suppress(CadenceError):  # what one of the others made impossible
            job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        for future in [pool.submit(quietly, job) for job in jobs * 2]:
            future.result(60)
    two.running.reconciler.catch_up()
    switcher.enable(NAME)
    active = two.parts.index.active()[NAME]
    eventually(lambda: two.live().record.install_id == active.install_id)
    assert two.call("say") == {"1.0.0": "one", "2.0.0": "two", "3.0.0": "three"}[active.ref.version]
    kinds = {event.kind for event in two.parts.index.events(NAME)}
    assert {EventKind.DISABLED, EventKind.ENABLED, EventKind.DELETED} <= kinds
