"""Two operators delete, bring back and install at once: what was not seen is neither destroyed nor brought back."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cadence.errors import CadenceError, PluginExists
from cadence.expectation import Expected, Outdated
from cadence.model import PluginRef
from tests.removal.bin import Bin, content
from tests.removal.conftest import ONE, TWO


@pytest.fixture
def two(kept: Bin) -> Bin:
    """2.0.0 is active over 1.0.0."""
    kept.house.install(ONE.name, ONE.version, "one")
    kept.house.install(TWO.name, TWO.version, "two")
    return kept


def install_id(kept: Bin, ref: PluginRef) -> str:
    record = kept.index.version(ref)
    assert record is not None
    return record.install_id


def seen(kept: Bin, ref: PluginRef) -> Expected:
    """What the confirmation of a deletion says."""
    state = kept.index.plugin_state(ref.name)
    assert state is not None
    return Expected(
        active_version=state.active_version,
        pinned=state.pinned,
        install_id=install_id(kept, ref),
        target=kept.index.successor_of(ref),
    )


def test_what_was_installed_anew_since_is_not_deleted(two: Bin) -> None:
    confirmed = seen(two, TWO)
    two.house.install(TWO.name, TWO.version, "another two")
    with pytest.raises(Outdated, match=r"2\.0\.0 is another install of that version now") as refused:
        two.remover.delete(TWO, confirmed)
    assert refused.value.status == 409
    assert content(two.house, TWO) == "another two"
    assert two.remover.deleted() == []
    two.check()
    two.remover.delete(TWO, seen(two, TWO))
    assert content(two.house, TWO) is None


def test_what_answers_by_now_is_not_deleted_as_if_it_did_not(two: Bin) -> None:
    confirmed = seen(two, ONE)
    two.index.activate("math_plugin", "1.0.0")
    with pytest.raises(Outdated, match=r"1\.0\.0 is active now"):
        two.remover.delete(ONE, confirmed)
    assert two.active == {"math_plugin": "1.0.0"}
    two.check()


def test_what_is_pinned_by_now_stays(two: Bin) -> None:
    confirmed = seen(two, TWO)
    two.index.pin("math_plugin")
    with pytest.raises(Outdated, match="it is pinned now"):
        two.remover.delete(TWO, confirmed)
    state = two.index.plugin_state("math_plugin")
    assert state is not None
    assert state.pinned


def test_where_something_else_would_answer_in_its_place_nothing_is_deleted(two: Bin) -> None:
    two.index.activate("math_plugin", "1.0.0")
    confirmed = seen(two, ONE)
    two.house.install(ONE.name, "3.0.0", "three", activate=False)
    with pytest.raises(Outdated, match=r"the deletion of 1\.0\.0 would lead to 3\.0\.0 now"):
        two.remover.delete(ONE, confirmed)
    assert two.active == {"math_plugin": "1.0.0"}
    assert two.remover.delete(ONE, seen(two, ONE)) == "3.0.0"


def test_where_nothing_would_answer_in_its_place_nothing_is_deleted(two: Bin) -> None:
    confirmed = seen(two, TWO)
    two.remover.delete(ONE)
    with pytest.raises(Outdated, match="would leave no version to answer now"):
        two.remover.delete(TWO, confirmed)
    assert two.active == {"math_plugin": "2.0.0"}


def test_of_two_who_delete_the_same_the_second_hears_that_it_is_gone(two: Bin) -> None:
    confirmed, ready = seen(two, TWO), threading.Barrier(4)
    heard: list[str] = []

    def operator() -> None:
        ready.wait(30)
        try:
            two.remover.delete(TWO, confirmed)
        except CadenceError as refused:
            heard.append(type(refused).__name__)
        else:
            heard.append("done")

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(operator) for _ in range(4)]:
            one.result(60)
    assert heard.count("done") == 1
    assert set(heard) <= {"done", "NotFound"}
    assert two.active == {"math_plugin": "1.0.0"}
    two.check()


def test_of_one_who_deletes_and_one_who_pins_at_the_same_moment_one_is_heard(two: Bin) -> None:
    ready = threading.Barrier(2)
    confirmed = seen(two, TWO)

    def refused_by(act: str) -> bool:
        ready.wait(30)
        try:
            if act == "delete":
                two.remover.delete(TWO, confirmed)
            else:
                two.index.pin("math_plugin", Expected(active_version="2.0.0", install_id=install_id_of_two))
        except Outdated:
            return True
        return False

    install_id_of_two = install_id(two, TWO)
    with ThreadPoolExecutor(2) as pool:
        refused = list(pool.map(refused_by, ("delete", "pin")))
    assert refused.count(True) == 1
    state = two.index.plugin_state("math_plugin")
    assert state is not None
    assert (state.active_version, state.pinned) == (("2.0.0", True) if refused[0] else ("1.0.0", False))
    two.check()


def test_of_two_who_undo_the_same_deletion_the_second_hears_that_it_is_there(two: Bin) -> None:
    two.remover.delete(TWO)
    (deleted,) = two.remover.deleted()
    assert two.remover.restore(TWO, deleted.install_id).activated
    with pytest.raises(PluginExists, match="it was uploaded or brought back"):
        two.remover.restore(TWO, deleted.install_id)
    two.check()


def test_an_undo_brings_back_what_was_shown_and_no_other_install_of_it(two: Bin) -> None:
    two.remover.delete(TWO)
    (shown,) = two.remover.deleted()
    two.house.install(TWO.name, TWO.version, "another two")
    two.remover.delete(TWO)
    with pytest.raises(Outdated, match=r"what was deleted last of 2\.0\.0 is another install of it now"):
        two.remover.restore(TWO, shown.install_id)
    assert content(two.house, TWO) is None
    (kept,) = two.remover.deleted()
    two.remover.restore(TWO, kept.install_id)
    assert content(two.house, TWO) == "another two"
    two.check()
