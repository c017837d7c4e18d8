"""Expressions come out as in mathematics, through the tools."""

import operator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadence.chat.offline.arithmetic import MOST_OPERATIONS, Operation, Reference, figures
from cadence.chat.offline.tokens import read
from tests.chat.offline.playing import Dialogue
from tests.chat.offline.plugins import MATH

_DOING = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
    "modulo": operator.mod,
}


def value(found: Any) -> Any:
    if isinstance(found, Operation):
        return _DOING[found.name](value(found.left), value(found.right))
    return "before" if isinstance(found, Reference) else found


TABLE: list[tuple[str, list[Any]]] = [
    ("2 + 3 * 4", [14]),
    ("2 * 3 + 4", [10]),
    ("(2 + 3) * 4", [20]),
    ("((2 + 3)) * (4 - 1)", [15]),
    ("10 - 3 - 2", [5]),
    ("2 ^ 3 ^ 2", [512]),
    ("2 ** 3", [8]),
    ("7 % 4", [3]),
    ("-3 + 5", [2]),
    ("5 - -3", [8]),
    ("5 -3", [2]),
    ("2x3", [6]),
    ("12 x 7", [84]),
    ("12 times 7 plus 5", [89]),
    ("5 plus 12 times 7", [89]),
    ("the sum of 3 and 4 times 2", [14]),
    ("the sum of 3 and 4 * 2", [11]),
    ("the sum of 1, 2 and 3", [6]),
    ("the product of the sum of 1 and 2 and 4", [12]),
    ("the difference between 10 and 4 divided by 3", [2]),
    ("twice 5 plus 1", [11]),
    ("half of 10", [5]),
    ("the square of 5", [25]),
    ("2 cubed", [8]),
    ("two hundred and five", [200, 5]),
    ("two hundred five", [205]),
    ("twenty-one, a dozen, three thousand", [21, 12, 3000]),
    ("half a dozen", [6]),
    ("2.5 million", [2.5]),
    ("3 million", [3_000_000]),
    ("1,000,000 and 1,5", [1_000_000, 1, 5]),
    ("it", ["before"]),
    ("that word and that", ["before"]),
    ("which one of these", []),
    ("2024-01-02 12:30 1.2.3 1.2.2024", []),
    ("a1 b2 3c", [3]),
    ("1e400 1e3 .5 5.", [1000, 0.5, 5]),
    ("(2 + ", [2]),
    ("2 + (3", [2, 3]),
    ("٣ + ٤", [7]),
]


@pytest.mark.parametrize(("text", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_numbers_and_expressions_are_read(text: str, expected: list[Any]) -> None:
    assert [value(figure.value) for figure in figures(read(text))] == expected


def test_an_expression_that_is_too_long_has_no_value() -> None:
    longest = figures(read("+".join(["1"] * (MOST_OPERATIONS + 1))))
    assert [value(figure.value) for figure in longest] == [MOST_OPERATIONS + 1]
    too_long = figures(read("+".join(["1"] * (MOST_OPERATIONS + 2))))
    assert [figure.value for figure in too_long] == [None]


def test_a_task_that_asks_for_too_much_is_refused_whole() -> None:
    talk = Dialogue(MATH)
    assert "at most 50 calls" in talk.ask("what is " + "+".join(["1"] * 100))
    assert "at most 50 calls" in talk.ask(", ".join(f"add {number} and 1" for number in range(60)))
    assert talk.calls == []


_NUMBERS = st.integers(1, 99).map(str)
_EXPRESSIONS = st.recursive(
    _NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner, st.booleans()).map(
        lambda made: f"({made[0]} {made[1]} {made[2]})" if made[3] else f"{made[0]} {made[1]} {made[2]}"
    ),
    max_leaves=6,
)


@settings(max_examples=25)
@given(_EXPRESSIONS)
def test_the_tools_come_to_what_python_comes_to(expression: str) -> None:
    talk = Dialogue(MATH)
    talk.ask(f"What is {expression}?")
    if talk.steps:
        assert talk.steps[-1].result == eval(expression)  # the expression is of numbers and signs
    else:
        assert expression.strip("()").isdigit()
