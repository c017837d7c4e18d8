"""How a message is split into what it asks for."""

import pytest

from cadence.chat.offline.clauses import clauses
from cadence.chat.offline.matching import Matcher, candidate
from cadence.chat.offline.tokens import read

_MATCHER = Matcher([candidate(name, ()) for name in ("add", "multiply", "count_words", "wait")])

TABLE: list[tuple[str, list[str]]] = [
    ("add 2 and 3", ["add 2 and 3"]),
    ("add 1, 2 and 3", ["add 1, 2 and 3"]),
    ("add 2 and 3 and multiply by 4", ["add 2 and 3", "multiply by 4"]),
    ("add 2, 3, and multiply by 4", ["add 2, 3", "multiply by 4"]),
    ("add 2 and 3, then multiply by 4", ["add 2 and 3", "multiply by 4"]),
    ("add 2 and 3 and then multiply by 4", ["add 2 and 3", "multiply by 4"]),
    ("Add 2.5 and 3. Multiply by 4!", ["Add 2.5 and 3", "Multiply by 4!"]),
    ("Add 2 and 3. 4 more.", ["Add 2 and 3", "4 more"]),
    ("add 2 and 3; multiply by 4", ["add 2 and 3", "multiply by 4"]),
    (
        "1. add 2 and 3\n2) multiply by 4\n- wait\n* count words",
        ["add 2 and 3", "multiply by 4", "wait", "count words"],
    ),
    ("count the words of 'add 2. Then, wait' and wait", ["count the words of 'add 2. Then, wait'", "wait"]),
    ("wait (and then add 2) and count words", ["wait (and then add 2)", "count words"]),
    ("do this: add 2 and 3", ["do this:", "add 2 and 3"]),
    ("count the words of: one. two; then three", ["count the words of: one. two; then three"]),
    ("count the words of: one. two\n\nadd 2 and 3", ["count the words of: one. two", "add 2 and 3"]),
    ("wait, e.g. for 2 seconds", ["wait, e.g. for 2 seconds"]),
    ("What is it? And what is that?", ["What is it?", "what is that?"]),
    ("don't wait and please also count words", ["don't wait", "count words"]),
    ("wait since then", ["wait since then"]),
    ("", []),
    ("... ; , \n", []),
]


@pytest.mark.parametrize(("message", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_a_message_is_split_where_something_to_do_begins(message: str, expected: list[str]) -> None:
    found = clauses(message, read(message), _MATCHER.begins)
    assert [clause.text for clause in found] == expected
    for clause in found:
        assert message[clause.start : clause.end] == clause.text


def test_a_clause_knows_how_it_hangs_on_the_one_before() -> None:
    message = "wait. add 2 and multiply by 3, then wait"
    found = clauses(message, read(message), _MATCHER.begins)
    assert [(clause.joined, clause.sequel) for clause in found] == [
        (False, False),
        (False, False),
        (True, False),
        (True, True),
    ]
