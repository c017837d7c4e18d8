"""Schemas of arguments: what is different in words, what breaks callers, and that hostile ones are soon done with."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadence.comparison.schemas import MAX_CHANGES, schema_changes
from tests.comparison.making import arguments

INTEGER = {"type": "integer"}
NULL = {"type": "null"}


def told(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(change.words, change.breaking) for change in schema_changes(old, new)]


def of(schema: dict[str, Any]) -> dict[str, Any]:
    return arguments(a=schema)


@pytest.mark.parametrize(
    ("old", "new", "words", "breaking"),
    [
        (arguments(a="integer"), arguments(a="integer", b="integer"), "argument `b` is new and required", True),
        (arguments(a="integer"), arguments("b", a="integer", b="string"), "argument `b` is new and optional", False),
        (arguments(a="integer", b="string"), arguments(a="integer"), "argument `b` is gone", True),
        (arguments("a", a="integer"), arguments(a="integer"), "argument `a` is required now", True),
        (arguments(a="integer"), arguments("a", a="integer"), "argument `a` is optional now", False),
        (of(INTEGER), of({"type": "string"}), "`a` was an integer and is a string now", True),
        (of(INTEGER), of({"type": "number"}), "`a` was an integer and is a number now", False),
        (of({"type": "number"}), of(INTEGER), "`a` was a number and is an integer now", True),
        (of(INTEGER), of({"anyOf": [INTEGER, NULL]}), "`a` was an integer and is an integer or null now", False),
        (of({"anyOf": [INTEGER, NULL]}), of(INTEGER), "`a` was an integer or null and is an integer now", True),
        (of(INTEGER), of({}), "`a` was an integer and is anything now", False),
        (of({}), of(INTEGER), "`a` was anything and is an integer now", True),
        (
            of({"type": ["string", "null"]}),
            of({"type": "string"}),
            "`a` was a string or null and is a string now",
            True,
        ),
        (of({"enum": ["x", "y"]}), of({"enum": ["y"]}), '`a` does not take "x" any more', True),
        (of({"enum": ["x"]}), of({"enum": ["x", "y", "z"]}), '`a` takes "y" and "z" too', False),
        (of({"type": "string"}), of({"type": "string", "enum": ["x"]}), '`a` takes only "x" now', True),
        (of({"type": "string", "const": "x"}), of({"type": "string"}), '`a` takes more than "x" now', False),
        (of(INTEGER), of(INTEGER | {"maximum": 9}), "`a`: maximum was not stated and is 9 now", True),
        (of(INTEGER | {"maximum": 9}), of(INTEGER | {"maximum": 10}), "`a`: maximum was 9 and is 10 now", False),
        (of(INTEGER | {"minimum": 1}), of(INTEGER | {"minimum": 5}), "`a`: minimum was 1 and is 5 now", True),
        (of(INTEGER | {"minimum": 1}), of(INTEGER), "`a`: minimum was 1 and is not stated now", False),
        (of({"type": "string"}), of({"type": "string", "pattern": "x+"}), '`a`: pattern is "x+" now', True),
        (of({"type": "string", "pattern": "x"}), of({"type": "string"}), "`a`: pattern is not stated any more", False),
        (of(INTEGER), of(INTEGER | {"default": 3}), "the default of `a` was none and is 3 now", False),
        (
            of(INTEGER | {"default": 1}),
            of(INTEGER | {"default": True}),
            "the default of `a` was 1 and is true now",
            False,
        ),
        (of(INTEGER), of(INTEGER | {"description": "How many"}), "the description of `a` is “How many” now", False),
        (
            of({"type": "array", "items": INTEGER}),
            of({"type": "array", "items": {"type": "string"}}),
            "`a[]` was an integer and is a string now",
            True,
        ),
        (
            arguments() | {"additionalProperties": True},
            arguments() | {"additionalProperties": False},
            "the arguments: no members beside the named ones are taken now",
            True,
        ),
    ],
)
def test_each_difference_is_said_in_words_with_whether_it_breaks_callers(
    old: dict[str, Any], new: dict[str, Any], words: str, breaking: bool
) -> None:
    assert told(old, new) == [(words, breaking)]


def test_what_lies_behind_a_reference_is_compared_and_told_by_its_path() -> None:
    def referring(inner: dict[str, Any]) -> dict[str, Any]:
        return of({"anyOf": [{"$ref": "#/$defs/Place"}, NULL]}) | {"$defs": {"Place": inner}}

    old, new = referring(arguments(street="string")), referring(arguments(street="integer", town="string"))
    assert told(old, new) == [
        ("`a.town` is new and required", True),
        ("`a.street` was a string and is an integer now", True),
    ]


def test_forms_of_one_kind_are_compared_one_by_one() -> None:
    def union(*inner: str) -> dict[str, Any]:
        return of({"anyOf": [{"type": "array", "items": {"type": one}} for one in inner]})

    assert told(union("string", "integer"), union("string", "boolean")) == [
        ("`a[]` was an integer and is true or false now", True)
    ]
    assert told(union("string", "integer"), union("string")) == [("`a`: the forms it can have changed", True)]


def test_the_description_beside_a_reference_is_looked_at() -> None:
    old = of({"$ref": "#/$defs/X", "description": "before"}) | {"$defs": {"X": INTEGER}}
    new = of({"$ref": "#/$defs/X", "description": "after"}) | {"$defs": {"X": INTEGER}}
    assert told(old, new) == [("the description of `a` is “after” now", False)]


def test_a_title_is_no_difference_and_an_argument_of_that_name_is_one() -> None:
    assert told(of(INTEGER), of(INTEGER | {"title": "A"})) == []
    assert told(arguments(a="integer"), arguments(a="integer", title="string")) == [
        ("argument `title` is new and required", True)
    ]


def test_what_is_only_different_where_nothing_is_followed_is_told_as_such() -> None:
    old = of(INTEGER) | {"$defs": {"X": {"patternProperties": {"x": INTEGER}}}}
    new = of(INTEGER) | {"$defs": {"X": {"patternProperties": {"x": NULL}}}}
    assert told(old, new) == [("something in the schema of its arguments changed", True)]


def test_references_in_a_circle_and_to_nowhere_come_to_an_end() -> None:
    def circular(kind: str) -> dict[str, Any]:
        node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "value": {"type": kind}}}
        return of({"$ref": "#/$defs/Node"}) | {"$defs": {"Node": node, "Loop": {"$ref": "#/$defs/Loop"}}}

    assert told(circular("integer"), circular("string")) == [("`a.value` was an integer and is a string now", True)]
    nowhere = (
        of({"$ref": "#/$defs/Absent"}),
        of({"$ref": "#/$defs/Loop"}) | {"$defs": {"Loop": {"$ref": "#/$defs/Loop"}}},
    )
    for old, new in (nowhere, tuple(reversed(nowhere))):
        assert any(breaking for _, breaking in told(old, new))


def test_references_that_double_at_each_step_are_followed_once() -> None:
    def doubling(leaf: str) -> dict[str, Any]:
        definitions: dict[str, Any] = {
            f"L{level}": arguments(x={"$ref": f"#/$defs/L{level + 1}"}, y={"$ref": f"#/$defs/L{level + 1}"})
            for level in range(12)
        }
        return of({"$ref": "#/$defs/L0"}) | {"$defs": definitions | {"L12": {"type": leaf}}}

    assert len(told(doubling("integer"), doubling("string"))) == 1


@pytest.mark.parametrize("depth", [60, 900])
def test_a_deep_schema_is_not_followed_to_its_end_and_said_to_be_too_deep(depth: int) -> None:
    def deep(leaf: dict[str, Any]) -> dict[str, Any]:
        for _ in range(depth):
            leaf = arguments(x=leaf)
        return leaf

    found = told(deep(INTEGER), deep(NULL))
    assert found == [("its arguments are too large or too deep to be compared in full", True)]


def test_a_wide_schema_is_cut() -> None:
    wide = arguments(**{f"a{number}": "integer" for number in range(1000)})
    found = schema_changes(arguments(), wide)
    assert len(found) == MAX_CHANGES + 1
    assert found[-1].words == "and more that is not shown"
    huge = arguments(**{f"a{number}": "integer" for number in range(200_000)})
    assert schema_changes(arguments(), huge)[-1].words.startswith("its arguments are too large")


def test_values_that_are_no_schemas_do_no_harm() -> None:
    hostile: list[Any] = [True, False, None, 3, "x", [], [[]], {"type": 3}, {"type": [{}]}, {"anyOf": [1]}]
    hostile += [
        {"$ref": 3},
        {"$ref": "#/properties/a"},
        {"enum": {}},
        {"properties": []},
        {"required": 4},
        {"allOf": [3]},
    ]
    for old in hostile:
        for new in hostile:
            schema_changes(of(old), of(new))
            schema_changes({"properties": old, "required": new}, {"properties": new, "required": old})


def test_names_and_values_are_shown_on_one_line_and_cut() -> None:
    name = "x\n\x1b[31m\u202e" + "y" * 1000
    (words, _) = told(arguments(), arguments(**{name: "integer"}))[0]
    assert words.isprintable()
    assert r"x\n\x1b[31m\u202e" in words
    assert len(words) < 200


KEYS = st.sampled_from(
    [
        *("type", "properties", "required", "items", "anyOf", "allOf", "$ref", "$defs", "enum", "const", "minimum"),
        *("default", "additionalProperties", "description", "title", "pattern", "a", "b"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["string", "object", "#/$defs/a", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SCHEMAS = st.dictionaries(KEYS, JSON, max_size=5)


@settings(deadline=None)
@given(SCHEMAS)
def test_a_schema_is_not_different_from_itself(schema: dict[str, Any]) -> None:
    assert schema_changes(schema, msgspec.json.decode(msgspec.json.encode(schema))) == ()


@settings(deadline=None)
@given(SCHEMAS, SCHEMAS)
def test_any_two_schemas_are_compared_in_printable_words(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert all(change.words.isprintable() for change in schema_changes(old, new))


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=3), st.sampled_from(["string", "integer"]), max_size=5))
def test_more_required_arguments_break_and_fewer_do_too(types: dict[str, str]) -> None:
    everything = arguments(**types)
    assert [change.breaking for change in schema_changes(arguments(), everything)] == [True] * len(types)
    assert [change.breaking for change in schema_changes(everything, arguments())] == [True] * len(types)
