"""What operators and the server itself decide about versions: active, pinned, disabled, taken back."""

import multiprocessing
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from cadence.errors import NotFound, ValidationFailed
from cadence.history import ActivationCause, EventKind, PluginState, Reason
from cadence.model import PluginRef
from cadence.storage.index import Index
from tests.storage.house import record_of
from tests.storage.test_versions import active_version, install, put

SPAWN = multiprocessing.get_context("spawn")
BAD = Reason("crashes", "It crashed 3 times while it was new.")


@pytest.fixture
def three(index: Index) -> Index:
    for version in ("1.0", "2.0", "3.0"):
        put(index, "math", version)
    return index


def take_back(index: Index, version: str, name: str = "math") -> str | None:
    taken = index.take_back(PluginRef(name, version), f"{name}-{version}", BAD)
    assert taken is not None
    assert (taken.ref.version, taken.reason) == (version, BAD)
    return taken.successor


def history(index: Index, name: str = "math") -> list[tuple[str | None, str | None, ActivationCause]]:
    """What changed, the oldest first, without the installs."""
    changes = [(one.version, one.previous_version, one.cause) for one in reversed(index.activations(name))]
    return [change for change in changes if change[2] is not ActivationCause.INSTALL]


def events(index: Index, name: str = "math") -> list[tuple[EventKind, str | None]]:
    return [(event.kind, event.version) for event in reversed(index.events(name))]


def state(index: Index, name: str = "math") -> PluginState:
    found = index.plugin_state(name)
    assert found is not None
    return found


def quarantine(index: Index, version: str) -> str | None:
    record = index.version(PluginRef("math", version))
    assert record is not None
    return record.quarantine


def test_the_states_of_all_plugins_are_found_by_name(three: Index) -> None:
    put(three, "other", "1.0", activate=False)
    three.pin("math")
    three.disable("other")
    assert three.plugin_states() == {
        "math": PluginState("math", "3.0", pinned=True),
        "other": PluginState("other", None, disabled=True),
    }
    assert three.plugin_state("absent") is None


def test_each_change_of_the_active_version_is_one_line_of_the_history(three: Index) -> None:
    put(three, "math", "0.9")
    install(three, record_of(PluginRef("math", "3.0"), "again"))
    three.activate("math", "1.0")
    three.activate("math", "1.0")
    three.roll_back("math")
    three.remove(PluginRef("math", "3.0"))
    assert [(one.version, one.previous_version) for one in reversed(three.activations("math"))] == [
        *(("1.0", None), ("2.0", "1.0"), ("3.0", "2.0")),
        *(("1.0", "3.0"), ("3.0", "1.0"), ("2.0", "3.0")),
    ]
    assert [one.cause for one in three.activations("math", limit=2)] == [
        *(ActivationCause.FALLBACK, ActivationCause.ROLLBACK)
    ]


def test_an_active_version_is_new_with_each_activation_and_install(index: Index) -> None:
    put(index, "math", "1.0")
    since = index.active()["math"].activated_at
    assert since is not None
    index.activate("math", "1.0")
    anew = index.active()["math"].activated_at
    assert anew is not None
    assert anew > since
    install(index, record_of(PluginRef("math", "1.0"), "again"))
    last = index.active()["math"].activated_at
    assert last is not None
    assert last > anew
    put(index, "math", "2.0")
    record = index.version(PluginRef("math", "1.0"))
    assert record is not None
    assert record.activated_at is None


def test_rollbacks_go_back_step_by_step_until_there_is_nothing(three: Index) -> None:
    for version in ("2.0", "1.0"):
        assert three.rollback_target("math") == version
        generation = three.generation()
        decided = three.roll_back("math")
        assert decided is not None
        assert (decided.version, decided.generation) == (version, generation + 1)
        assert active_version(three, "math") == version
    assert three.rollback_target("math") is None
    assert three.roll_back("math") is None
    assert active_version(three, "math") == "1.0"
    assert [kind for kind, _ in events(three)] == [EventKind.ROLLED_BACK] * 2
    with pytest.raises(NotFound):
        three.roll_back("absent")


# --- pins --------------------------------------------------------------------------------------------------------


def test_a_pinned_version_stays_when_a_higher_one_is_uploaded(three: Index) -> None:
    three.pin("math")
    assert not put(three, "math", "4.0").activated
    assert active_version(three, "math") == "3.0"
    assert install(three, record_of(PluginRef("math", "3.0"), "again")).activated
    assert state(three) == PluginState("math", "3.0", pinned=True)
    three.unpin("math")
    assert put(three, "math", "5.0").activated
    assert events(three) == [
        (EventKind.PINNED, "3.0"),
        (EventKind.INSTALLED, "4.0"),
        (EventKind.REPLACED, "3.0"),
        (EventKind.UNPINNED, None),
    ]


def test_an_upload_that_is_to_be_active_lifts_the_pin(three: Index) -> None:
    three.pin("math")
    assert put(three, "math", "2.5", activate=True).activated
    assert state(three) == PluginState("math", "2.5")


def test_an_operators_choice_of_another_version_lifts_the_pin_unless_it_moves_it(three: Index) -> None:
    three.pin("math")
    three.activate("math", "1.0", pin=True)
    assert state(three) == PluginState("math", "1.0", pinned=True)
    three.activate("math", "1.0")
    assert state(three).pinned
    three.activate("math", "2.0")
    assert state(three) == PluginState("math", "2.0")


def test_deleting_a_pinned_version_falls_back_and_lifts_the_pin(three: Index) -> None:
    three.pin("math")
    three.remove(PluginRef("math", "1.0"))
    assert state(three).pinned
    assert three.remove(PluginRef("math", "3.0")) == "2.0"
    assert not state(three).pinned


def test_only_what_is_active_can_be_pinned(index: Index) -> None:
    with pytest.raises(NotFound, match="No plugin 'math'"):
        index.pin("math")
    put(index, "math", "1.0", activate=False)
    with pytest.raises(NotFound, match="No version of math is active"):
        index.pin("math")
    with pytest.raises(NotFound):
        index.unpin("absent")


def test_a_pin_changes_nothing_that_is_live_and_is_told_once(three: Index) -> None:
    generation = three.generation()
    three.pin("math")
    three.pin("math")
    three.unpin("math")
    three.unpin("math")
    assert three.generation() == generation
    assert len(events(three)) == 2


# --- disabled ----------------------------------------------------------------------------------------------------


def test_nothing_of_a_disabled_plugin_is_to_be_live_whatever_is_installed(three: Index) -> None:
    generation = three.generation()
    decided = three.disable("math")
    assert (decided.version, decided.generation) == ("3.0", generation + 1)
    assert (three.active(), three.active_installs(), three.active_of("math")) == ({}, {}, None)
    publication = put(three, "math", "4.0")
    assert (publication.activated, publication.disabled) == (True, True)
    assert three.active() == {}
    assert three.disable("math").generation == three.generation() == generation + 2
    assert three.enable("math").version == "4.0"
    assert active_version(three, "math") == "4.0"
    assert three.generation() == generation + 3
    assert events(three) == [(EventKind.DISABLED, None), (EventKind.ENABLED, None)]


def test_a_disabled_plugin_keeps_its_metadata_name_so_that_it_can_always_be_enabled(index: Index) -> None:
    put(index, "first", "1.0", metadata_name="shared")
    index.disable("first")
    with pytest.raises(ValidationFailed, match="first stands already, though it is disabled"):
        put(index, "second", "1.0", metadata_name="shared")
    index.enable("first")
    assert set(index.active()) == {"first"}


def test_what_is_not_installed_can_be_neither_disabled_nor_enabled(index: Index) -> None:
    for decide in (index.disable, index.enable):
        with pytest.raises(NotFound, match="No plugin 'absent'"):
            decide("absent")


# --- taken back --------------------------------------------------------------------------------------------------


def test_a_bad_version_is_taken_back_to_the_one_before_it(three: Index) -> None:
    three.activate("math", "1.0")
    three.activate("math", "3.0")
    generation = three.generation()
    assert take_back(three, "3.0") == "1.0"
    assert (active_version(three, "math"), three.generation()) == ("1.0", generation + 1)
    assert quarantine(three, "3.0") == BAD.words
    assert history(three)[-1] == ("1.0", "3.0", ActivationCause.AUTOMATIC_ROLLBACK)
    assert three.activations("math")[0].words == BAD.words
    assert events(three)[-2:] == [(EventKind.QUARANTINED, "3.0"), (EventKind.ROLLED_BACK, "1.0")]


def test_without_one_before_it_the_highest_good_one_follows_and_then_none(three: Index) -> None:
    put(three, "fresh", "1.0", activate=False)
    put(three, "fresh", "2.0", activate=False)
    put(three, "fresh", "3.0")
    assert take_back(three, "3.0", "fresh") == "2.0"
    assert take_back(three, "2.0", "fresh") == "1.0"
    assert take_back(three, "1.0", "fresh") is None
    assert state(three, "fresh") == PluginState("fresh", None)
    assert active_version(three, "fresh") is None
    assert three.rollback_target("fresh") is None
    assert history(three, "fresh")[-1] == (None, "1.0", ActivationCause.AUTOMATIC_ROLLBACK)
    assert events(three, "fresh")[-1] == (EventKind.QUARANTINED, "1.0")


def test_a_version_is_taken_back_only_as_the_very_install_that_is_active(three: Index) -> None:
    generation = three.generation()
    assert three.take_back(PluginRef("math", "3.0"), "another install", BAD) is None
    assert three.take_back(PluginRef("math", "2.0"), "math-2.0", BAD) is None
    assert three.take_back(PluginRef("math", "4.0"), "math-4.0", BAD) is None
    assert three.take_back(PluginRef("absent", "1.0"), "absent-1.0", BAD) is None
    assert (three.generation(), events(three), history(three)) == (generation, [], [])


@pytest.mark.parametrize("decision", ["pin", "disable"])
def test_what_is_pinned_or_disabled_is_not_taken_back(three: Index, decision: str) -> None:
    getattr(three, decision)("math")
    assert three.take_back(PluginRef("math", "3.0"), "math-3.0", BAD) is None
    assert quarantine(three, "3.0") is None
    assert state(three).active_version == "3.0"


def test_what_was_taken_back_is_never_active_again_by_itself(three: Index) -> None:
    take_back(three, "3.0")
    assert put(three, "math", "2.5").activated, "it is the highest good one"
    assert three.remove(PluginRef("math", "2.5")) == "2.0"
    assert three.remove(PluginRef("math", "2.0")) == "1.0"
    assert three.remove(PluginRef("math", "1.0")) is None
    assert state(three).active_version is None
    assert three.rollback_target("math") is None


def test_an_operator_overrules_a_quarantine_by_activating_the_version(three: Index) -> None:
    take_back(three, "3.0")
    three.activate("math", "3.0")
    assert quarantine(three, "3.0") is None
    assert active_version(three, "math") == "3.0"
    assert BAD.words in three.events("math", limit=1)[0].words
    assert three.rollback_target("math") == "2.0"


def test_a_forced_upload_of_a_version_lifts_its_quarantine(three: Index) -> None:
    take_back(three, "3.0")
    assert three.would_activate(PluginRef("math", "3.0"), None, None)
    assert install(three, record_of(PluginRef("math", "3.0"), "mended")).activated
    assert quarantine(three, "3.0") is None
    take_back_again = three.take_back(PluginRef("math", "3.0"), "mended", BAD)
    assert take_back_again is not None
    assert take_back_again.successor == "2.0"


def test_a_successor_whose_metadata_name_is_taken_is_passed_over(index: Index) -> None:
    put(index, "math", "1.0", metadata_name="own")
    put(index, "math", "2.0", metadata_name="shared")
    put(index, "math", "3.0", metadata_name="new")
    put(index, "other", "1.0", metadata_name="shared")
    assert index.rollback_target("math") == "2.0"
    with pytest.raises(ValidationFailed, match="other"):
        index.roll_back("math")
    assert take_back(index, "3.0") == "1.0"


def _take_back_at_once(path: Path, start: object, won: "Queue[bool]") -> None:
    with Index.open(path) as index:
        start.wait(60)  # type: ignore[attr-defined]  # a Barrier; multiprocessing gives its proxies no type
        won.put(index.take_back(PluginRef("math", "3.0"), "math-3.0", BAD) is not None)


def test_of_two_processes_that_take_the_same_version_back_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with Index.open(path) as index:
        for version in ("1.0", "2.0", "3.0"):
            put(index, "math", version)
        start, won = SPAWN.Barrier(2), SPAWN.Queue()
        processes = [SPAWN.Process(target=_take_back_at_once, args=(path, start, won)) for _ in range(2)]
        for process in processes:
            process.start()
        answers = [won.get(timeout=60) for _ in processes]
        for process in processes:
            process.join()
        won.close()
        assert sorted(answers) == [False, True]
        assert history(index) == [("2.0", "3.0", ActivationCause.AUTOMATIC_ROLLBACK)]
        assert active_version(index, "math") == "2.0"


# --- decisions while an install waits for its files --------------------------------------------------------------


@pytest.mark.parametrize("decision", ["activate", "pin", "roll_back"])
def test_an_operators_word_is_the_last_also_over_an_install_that_was_committed_before(
    three: Index, decision: str
) -> None:
    three.commit_version(record_of(PluginRef("math", "4.0"), "waits"))
    chosen = {"activate": "1.0", "pin": "3.0", "roll_back": "2.0"}[decision]
    if decision == "activate":
        three.activate("math", "1.0")
    else:
        getattr(three, decision)("math")
    assert not three.mark_published(PluginRef("math", "4.0"), "waits").activated
    assert active_version(three, "math") == chosen
    assert three.version(PluginRef("math", "4.0")) is not None


def test_a_version_that_is_chosen_while_an_overwrite_of_it_waits_is_active_as_the_new_install(index: Index) -> None:
    put(index, "math", "1.0", metadata_name="old")
    put(index, "math", "2.0")
    index.commit_version(record_of(PluginRef("math", "1.0"), "waits", metadata_name="new"), activate=False)
    index.activate("math", "1.0")
    assert index.mark_published(PluginRef("math", "1.0"), "waits").activated
    assert index.active()["math"].install_id == "waits"
    put(index, "other", "1.0", metadata_name="old")
    with pytest.raises(ValidationFailed):
        put(index, "another", "1.0", metadata_name="new")
