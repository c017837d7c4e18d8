"""How plugins stand, and what changed since somebody looked."""

import threading

from cadence.runtime.board import KEPT_CHANGES, Board


def test_what_changed_since_a_look_is_known_by_name() -> None:
    board: Board[str] = Board()
    board.put("a", "live")
    first = board.since(-1)
    assert first.names is None, "the first look is at all of it"
    assert board.all() == {"a": "live"}
    board.put("b", "asleep")
    board.put("a", None)
    later = board.since(first.number)
    assert later.names == frozenset({"a", "b"})
    assert (board.get("a"), board.get("b")) == (None, "asleep")
    assert board.since(later.number).names == frozenset()


def test_who_was_away_for_too_long_looks_at_all_of_it_again() -> None:
    board: Board[int] = Board()
    board.put("a", 0)
    number = board.since(-1).number
    for value in range(KEPT_CHANGES):
        board.put(f"n{value}", value)
    assert board.since(number).names is not None
    board.put("one more", 1)
    assert board.since(number).names is None


def test_no_change_is_missed_by_one_who_looks_while_others_write() -> None:
    board: Board[int] = Board()
    board.put("start", 0)
    seen, known = board.since(-1).number, dict(board.all())

    def write(name: str) -> None:
        for value in range(300):
            board.put(name, value)

    writers = [threading.Thread(target=write, args=(f"n{number}",)) for number in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        changes = board.since(seen)
        seen = changes.number
        known.update({name: value for name in changes.names or board.all() if (value := board.get(name)) is not None})
    changes = board.since(seen)
    known.update({name: value for name in changes.names or () if (value := board.get(name)) is not None})
    for writer in writers:
        writer.join()
    assert known == board.all()
