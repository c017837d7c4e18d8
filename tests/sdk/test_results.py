import collections
import dataclasses
import datetime
import enum
import json
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.v1 import BaseModel as BaseModelV1

from cadence_sdk._runtime.results import to_json


def seen(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(to_json(value)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
).filter(lambda value: "\\ud" not in json.dumps(value))


@given(json_values)
def test_json_data_arrives_as_it_was(value: Any) -> None:
    assert seen(value) == value


@given(
    st.recursive(
        st.none() | st.floats() | st.text(st.characters()) | st.binary() | st.complex_numbers() | st.dates(),
        lambda children: st.lists(children) | st.dictionaries(st.tuples(st.integers()) | st.none(), children),
        max_leaves=8,
    )
)
def test_whatever_is_returned_becomes_json(value: Any) -> None:
    json.loads(bytes(to_json(value)), parse_constant=pytest.fail)


class Model(BaseModel):
    day: datetime.date = datetime.date(2024, 1, 2)


class OldModel(BaseModelV1):
    day: datetime.date = datetime.date(2024, 1, 2)


@dataclasses.dataclass
class Point:
    x: int


class Colour(enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        raise RuntimeError


class Number(int):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Model(), {"day": "2024-01-02"}),
        ([OldModel()], [{"day": "2024-01-02"}]),
        (Point(1), {"x": 1}),
        (datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), "2024-01-02T00:00:00Z"),
        (Colour.RED, "red"),
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
        (2**100, 2**100),
        (Number(7), 7),
        (collections.OrderedDict(a=None), {"a": None}),
    ],
)
def test_structured_values_stay_structured(value: Any, expected: Any) -> None:
    assert seen(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "NaN"),
        ({"a": [math.inf]}, '{"a": [Infinity]}'),
        ({"é": [None, math.nan]}, '{"é": [null, NaN]}'),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (1j, "1j"),
        ("\ud800", "\\ud800"),
        (object, "<class 'object'>"),
    ],
)
def test_what_is_not_json_becomes_text(value: Any, expected: str) -> None:
    assert seen(value) == expected


def test_a_null_beside_finite_numbers_keeps_its_structure() -> None:
    assert seen({"a": None, "b": 1.5, 3: [None]}) == {"a": None, "b": 1.5, "3": [None]}


class Hostile:
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


class HostileModel(BaseModel):
    def model_dump(self, **_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    __str__ = Hostile.__str__


@pytest.mark.parametrize("make", [Hostile, lambda: [Hostile()], HostileModel], ids=["bare", "nested", "model"])
def test_a_value_that_fights_back_is_named_by_its_type(make: Callable[[], Any]) -> None:
    assert "cannot be read" in seen(make())


def test_a_string_with_methods_of_its_own_is_only_a_string() -> None:
    assert seen(Text("hé")) == "hé"
    assert seen({(1,): Text("hé"), "nan": math.nan}) == "{(1,): 'hé', 'nan': nan}"


def test_a_structure_that_holds_itself_becomes_text() -> None:
    value: list[Any] = []
    value.append(value)
    assert seen(value) == "[[...]]"


def test_an_absurdly_deep_structure_becomes_text() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert isinstance(seen(value), str)


def test_an_integer_too_long_for_text_is_still_answered() -> None:
    assert isinstance(seen(10**5000), str)
