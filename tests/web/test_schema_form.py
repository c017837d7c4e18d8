"""Forms made from JSON schemas, and what they are filled with."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.web.schema_form import MOST_FIELDS, Field, arguments_of, form_of, json_arguments, texts_of


def field_of(part: Any, *, required: bool = True, root: Mapping[str, Any] | None = None) -> Field:
    schema = {"type": "object", "properties": {"a": part}, "required": ["a"] if required else [], **(root or {})}
    (field,) = form_of(schema).fields
    return field


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 4000}, "long"),
        ({"type": "string", "format": "textarea"}, "long"),
        ({"type": "number"}, "number"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer"),
        ({"type": "boolean"}, "boolean"),
        ({"enum": ["euro", "dollar"]}, "choice"),
        ({"const": "euro"}, "choice"),
        ({"type": "array", "items": {"type": "number"}}, "list"),
        ({"type": "array", "items": {"type": "object"}}, "json"),
        ({"type": "array"}, "json"),
        ({"type": "object"}, "json"),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, "json"),
        ({}, "json"),
    ],
)
def test_each_kind_of_argument_has_its_kind_of_field(part: Any, kind: str) -> None:
    assert field_of(part).kind == kind


@pytest.mark.parametrize(
    "part", [{"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, {"type": ["integer", "null"]}]
)
def test_what_may_be_null_is_a_field_of_the_other_kind(part: Any) -> None:
    field = field_of(part)
    assert (field.kind, field.nullable) == ("integer", True)
    assert arguments_of([field], {"a": ""}).values == {"a": None}
    assert arguments_of([field], {"a": "3"}).values == {"a": 3}


def test_references_within_the_schema_are_followed() -> None:
    field = field_of({"$ref": "#/$defs/Unit"}, root={"$defs": {"Unit": {"enum": ["m", "km"], "title": "Unit"}}})
    assert [choice.label for choice in field.choices] == ["m", "km"]
    assert arguments_of([field], {"a": '"km"'}).values == {"a": "km"}


def test_what_is_left_empty_is_not_sent_unless_it_has_to_be() -> None:
    optional = [field_of({"type": kind}, required=False) for kind in ("string", "number", "boolean", "array")]
    assert all(arguments_of([field], {"a": ""}).values == {} for field in optional)
    assert arguments_of([field_of({"type": "string"})], {}).values == {"a": ""}
    assert arguments_of([field_of({"type": "number"})], {}).faults == {"a": "Fill this in."}


@pytest.mark.parametrize(
    ("part", "text", "words"),
    [
        ({"type": "integer"}, "2.5", "whole number"),
        ({"type": "number"}, "two", "such as 2.5"),
        ({"type": "number"}, "NaN", "such as 2.5"),
        ({"type": "number"}, "1e999", "such as 2.5"),
        ({"type": "number"}, "9" * 5000, "too long"),
        ({"type": "integer"}, "٣", "whole number"),
        ({"type": "boolean"}, "yes", "true or false"),
        ({"enum": ["a"]}, '"b"', "one of the values"),
        ({"type": "array", "items": {"type": "integer"}}, "1\nx", "Line 2"),
        ({"type": "object"}, "{", "no JSON"),
        ({"type": "object"}, "NaN", "no JSON"),
        ({"type": "object"}, "[" * 100_000, "too deeply"),
        ({"type": "object"}, '{"a": "\\ud800"}', "half a character"),
        ({"type": "object"}, '{"a": 1e999}', "too large"),
        ({"type": "object"}, "9" * 5000, "too long"),
    ],
)
def test_what_cannot_be_read_is_said_at_its_field(part: Any, text: str, words: str) -> None:
    found = arguments_of([field_of(part)], {"a": text})
    assert words in found.faults["a"]
    assert found.values == {}


@pytest.mark.parametrize("text", ["[]", "3", "{", '"a"'])
def test_all_arguments_as_json_have_to_be_an_object(text: str) -> None:
    with pytest.raises(ValueError, match=r"object|no JSON"):
        json_arguments(text)
    assert json_arguments('{"a": [1]}') == {"a": [1]}


_VALUES = {
    "text": ({"type": "string"}, st.text(alphabet=st.characters(exclude_characters="\r", exclude_categories=["Cs"]))),
    "number": ({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30)),
    "integer": ({"type": "integer"}, st.integers(-(10**200), 10**200)),
    "boolean": ({"type": "boolean"}, st.booleans()),
    "choice": ({"enum": ["a", "b c", 3, 2.5, True, 'ä"<']}, st.sampled_from(["a", "b c", 3, 2.5, True, 'ä"<'])),
    "numbers": ({"type": "array", "items": {"type": "integer"}}, st.lists(st.integers())),
    "lines": (
        {"type": "array", "items": {"type": "string"}},
        st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))),
    ),
    "nested": (
        {"type": "object"},
        st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.integers(), st.lists), max_size=4),
    ),
}


@given(st.fixed_dictionaries({name: values for name, (_, values) in _VALUES.items()}))
def test_what_a_form_is_filled_with_comes_back_the_same(values: dict[str, Any]) -> None:
    schema = {"properties": {name: part for name, (part, _) in _VALUES.items()}, "required": list(_VALUES)}
    fields = form_of(schema).fields
    texts = {name: text.replace("\n", "\r\n") for name, text in texts_of(fields, values).items()}
    read = arguments_of(fields, texts)
    assert (read.faults, read.values) == ({}, values)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "required",
                    "enum",
                    "items",
                    "anyOf",
                    "$ref",
                    "$defs",
                    "default",
                    "title",
                    "minimum",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(_JSON, st.dictionaries(st.text(max_size=5), st.text(max_size=20)))
def test_any_schema_comes_to_some_form_and_any_text_to_arguments(schema: Any, texts: dict[str, str]) -> None:
    form = form_of(schema)
    json.dumps(arguments_of(form.fields, texts).values)


@pytest.mark.parametrize(
    "part",
    [
        {"$ref": "#/properties/a"},
        {"$ref": "#/$defs/Loop"},
        {"$ref": "https://example.com/schema.json"},
        {"enum": [{}, []]},
        {"enum": list(range(1000))},
        {"type": ["string", "integer", "null"]},
        {"type": {"x": 1}},
        {"anyOf": "x"},
        None,
        7,
    ],
)
def test_what_no_field_can_be_made_for_is_written_as_json(part: Any) -> None:
    loop = {"Loop": {"anyOf": [{"$ref": "#/$defs/Loop"}, {"type": "null"}]}}
    assert field_of(part, root={"$defs": loop}).kind == "json"


def test_the_end_of_the_last_line_of_a_list_begins_no_other() -> None:
    field = field_of({"type": "array", "items": {"type": "string"}})
    assert arguments_of([field], {"a": "x\r\ny\r\n"}).values == {"a": ["x", "y"]}


def test_null_among_the_values_of_an_enumeration_is_what_is_left_empty() -> None:
    field = field_of({"enum": ["m", None]})
    assert (field.kind, field.nullable, [choice.label for choice in field.choices]) == ("choice", True, ["m"])
    assert arguments_of([field], {"a": ""}).values == {"a": None}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("part", "default"),
    [
        ({"type": "integer"}, 3),
        ({"type": "string"}, "a\nb"),
        ({"enum": ["m", "km"]}, "km"),
        ({"type": "array", "items": {"type": "string"}}, ["a", ""]),
        ({"type": "object"}, {"a": [None]}),
    ],
)
def test_a_default_stands_in_its_field_and_comes_back_the_same(part: dict[str, Any], default: Any) -> None:
    field = field_of({**part, "default": default})
    assert field.default is not None
    assert arguments_of([field], {"a": field.default}).values == {"a": default}


@pytest.mark.parametrize(
    ("part", "default"),
    [
        ({"type": "integer"}, "3"),
        ({"type": "number"}, float("nan")),
        ({"type": "number"}, deep(5000)),
        pytest.param({"type": "number"}, 10**5000, id="long"),
        ({"type": "string"}, "a\rb"),
        ({"type": "string"}, {"a": 1}),
        ({"enum": ["m", "km"]}, "mile"),
        ({"type": "array", "items": {"type": "string"}}, ["a\nb"]),
        ({"type": "object"}, deep(5000)),
    ],
)
def test_a_default_that_its_field_cannot_hold_is_left_out(part: dict[str, Any], default: Any) -> None:
    assert field_of({**part, "default": default}).default is None


@pytest.mark.parametrize(
    "bound", [10**5000, float("inf"), float("nan"), True, "3"], ids=["long", "infinite", "no number", "boolean", "text"]
)
def test_a_bound_that_no_one_can_read_is_left_out(bound: Any) -> None:
    assert field_of({"type": "number", "minimum": bound}).lowest is None


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"": {"type": "string"}}},
        {"properties": {"x" * 100_000: {"type": "string"}}},
        {"properties": {}, "additionalProperties": True},
        {"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
        {"$ref": "#/$defs/Arguments", "$defs": {"Arguments": {"properties": {"a": {}}}}},
    ],
)
def test_a_schema_that_takes_more_than_there_are_fields_for_is_written_as_json(schema: Any) -> None:
    assert not form_of(schema).complete


@pytest.mark.parametrize("schema", [{}, {"properties": {}, "additionalProperties": False}, {"properties": 3}, None, 7])
def test_a_schema_without_arguments_is_a_form_without_fields(schema: Any) -> None:
    form = form_of(schema)
    assert (form.fields, form.complete) == ((), True)


def test_an_enumeration_that_many_fields_share_is_not_repeated_where_it_is_long() -> None:
    shared = {"Long": {"enum": ["x" * 50_000]}}
    schema = {"properties": {f"a{n}": {"$ref": "#/$defs/Long"} for n in range(MOST_FIELDS)}, "$defs": shared}
    assert {field.kind for field in form_of(schema).fields} == {"json"}


def test_more_arguments_than_fields_are_written_as_json() -> None:
    schema = {"properties": {f"a{number}": {"type": "string"} for number in range(1000)}}
    form = form_of(schema)
    assert (len(form.fields), form.complete) == (MOST_FIELDS, False)
    nested: dict[str, Any] = {}
    for _ in range(5000):
        nested = {"type": "array", "items": nested}
    assert field_of(nested).kind == "json"
