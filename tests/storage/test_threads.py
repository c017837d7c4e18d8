"""Threads and turns in the index: order, one turn at a time, turns whose server died, and what is too large to keep."""

from pathlib import Path

import pytest
from msgspec import structs

from cadence.conversation import Question, Step, ThreadRecord, TurnRecord
from cadence.errors import InvalidRequest, NotFound, ThreadBusy
from cadence.storage.index import Index
from cadence.storage.owners import Owner
from cadence.storage.threads import (
    MAX_ARGUMENTS_BYTES,
    MAX_ERROR_CHARACTERS,
    MAX_RESPONSE_CHARACTERS,
    MAX_RESULT_BYTES,
)

ASKED = Question("Hello", plugins=("math",), tone="kind")
STEP = Step("1", "math", "add", {"a": 1}, 2, None, "1.0.0", 0.5)


@pytest.fixture
def owner(index: Index) -> Owner:
    return Owner.acquire(index.instance)


def begin(index: Index, owner: str, thread_id: str = "one", at: str = "2026-01-01T00:00:00.000000+00:00") -> int:
    if index.thread(thread_id) is None:
        index.create_thread(ThreadRecord(thread_id, f"Title of {thread_id}", at, at, 0))
    return index.begin_turn(thread_id, ASKED, owner)


def answered(number: int = 1, **fields: object) -> TurnRecord:
    return structs.replace(
        TurnRecord(number, "Hello", "", "answered", "Hi", (STEP,), model="offline", notices=("Gone.",), ms=1.5),
        **fields,
    )


def test_a_turn_is_kept_as_it_was_asked_and_answered(index: Index, owner: Owner) -> None:
    assert begin(index, owner.id) == 1
    (running,) = index.turns("one")
    assert (running.state, running.message, running.plugins, running.tone) == ("running", "Hello", ("math",), "kind")
    index.end_turn("one", 1, answered())
    (turn,) = index.turns("one")
    assert turn == structs.replace(answered(), asked_at=running.asked_at, plugins=("math",), tone="kind")
    thread = index.thread("one")
    assert thread is not None
    assert (thread.title, thread.turns, thread.state) == ("Title of one", 1, "answered")


def test_a_thread_takes_one_turn_at_a_time(index: Index, owner: Owner) -> None:
    begin(index, owner.id)
    with pytest.raises(ThreadBusy):
        begin(index, owner.id)
    index.end_turn("one", 1, answered())
    assert begin(index, owner.id) == 2


def test_a_turn_whose_server_has_died_is_an_interrupted_one_and_keeps_nobody_waiting(
    index: Index, owner: Owner
) -> None:
    begin(index, owner.id)
    owner.release()
    assert [turn.state for turn in index.turns("one")] == ["interrupted"]
    thread = index.thread("one")
    assert thread is not None
    assert thread.state == "interrupted"
    with Owner.acquire(index.instance) as another:
        assert begin(index, another.id) == 2
        assert [turn.state for turn in index.turns("one")] == ["interrupted", "running"]
        with pytest.raises(ThreadBusy):
            begin(index, another.id)


def test_only_turns_of_the_dead_are_interrupted(index: Index, owner: Owner) -> None:
    begin(index, owner.id, "alive")
    begin(index, "nobody", "dead")
    index.interrupt_turns()
    states = index.database.rows("SELECT thread_id, state FROM turns ORDER BY thread_id")
    assert [tuple(row.values()) for row in states] == [("alive", "running"), ("dead", "interrupted")]


def test_threads_come_page_by_page_the_latest_first(index: Index, owner: Owner) -> None:
    for name in ("one", "two", "three"):
        index.end_turn(name, begin(index, owner.id, name), answered())
    index.end_turn("one", begin(index, owner.id, "one"), answered(2))
    assert [thread.id for thread in index.threads(2)] == ["one", "three"]
    assert [thread.id for thread in index.threads(2, "three")] == ["two"]
    with pytest.raises(InvalidRequest):
        index.threads(2, "nothing")


def test_a_thread_is_deleted_with_its_turns_and_a_turn_that_ends_later_leaves_nothing(
    index: Index, owner: Owner
) -> None:
    begin(index, owner.id)
    index.delete_thread("one")
    index.end_turn("one", 1, answered())
    assert (index.thread("one"), index.turns("one")) == (None, [])
    with pytest.raises(NotFound):
        index.delete_thread("one")
    with pytest.raises(NotFound):
        index.begin_turn("one", ASKED, owner.id)


def test_what_is_too_large_is_kept_in_part(index: Index, owner: Owner) -> None:
    begin(index, owner.id)
    large = structs.replace(STEP, args={"a": "x" * MAX_ARGUMENTS_BYTES}, result="y" * MAX_RESULT_BYTES)
    index.end_turn("one", 1, answered(steps=(large,), response="z" * (MAX_RESPONSE_CHARACTERS + 1)))
    (turn,) = index.turns("one")
    assert turn.steps[0].args == {}
    assert len(turn.steps[0].result) < MAX_RESULT_BYTES + 20
    assert turn.response.endswith("z … (cut)")


def test_a_large_result_is_counted_in_bytes_and_words_of_errors_are_bounded(index: Index, owner: Owner) -> None:
    begin(index, owner.id)
    words = "e" * (MAX_ERROR_CHARACTERS + 1)
    step = structs.replace(STEP, result="ü" * MAX_RESULT_BYTES, error=words)
    index.end_turn("one", 1, answered(state="failed", steps=(step,), error=words))
    (turn,) = index.turns("one")
    assert len(turn.steps[0].result.encode()) < MAX_RESULT_BYTES + 20
    assert turn.steps[0].error == turn.error == "e" * MAX_ERROR_CHARACTERS + " … (cut)"


def test_threads_of_one_moment_come_page_by_page_too(index: Index) -> None:
    for name in ("a", "b", "c"):
        index.create_thread(ThreadRecord(name, name, "2026", "2026", 0))
    assert [thread.id for thread in index.threads(2)] == ["c", "b"]
    assert [thread.id for thread in index.threads(2, "b")] == ["a"]


def test_turns_survive_the_end_of_the_index(tmp_path: Path) -> None:
    with Index.open(tmp_path / "index.db") as index, Owner.acquire(index.instance) as owner:
        begin(index, owner.id)
        index.end_turn("one", 1, answered())
    with Index.open(tmp_path / "index.db") as index:
        assert [turn.response for turn in index.turns("one")] == ["Hi"]
