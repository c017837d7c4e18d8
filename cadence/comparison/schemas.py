"""Two JSON Schemas of a tool's arguments (JSON Schema 2020-12, as pydantic writes it): what is different, in words.

A worker's schema is hostile: huge, deep, full of references that lead in circles or double at each step. So a pair of
places is looked at once, no deeper than :data:`MAX_DEPTH`, and only :data:`MAX_PLACES` of them. What cannot be told
apart is said to be different and to break callers: better a look too many than one too few.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from cadence.comparison.values import Change
from cadence.comparison.words import in_words, named, printable, quoted, same_json, value_words

Schema = Mapping[str, Any]

MAX_DEPTH = 16
MAX_PLACES = 5_000
MAX_CHANGES = 100

_MAX_REFERENCES = 16
_MAX_SHOWN = 6
_ANYTHING = "anything"
_KINDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
#: What is compared here, or says nothing of what is taken.
_KNOWN = frozenset(
    {
        "$anchor", "$comment", "$defs", "$id", "$ref", "$schema", "additionalProperties", "allOf", "anyOf", "const",
        "default", "definitions", "deprecated", "description", "enum", "examples", "items", "oneOf", "properties",
        "readOnly", "required", "title", "type", "writeOnly",
    }
)  # fmt: skip
_REMARKS = frozenset({"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"})
_NAMES = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
#: Bounds by which less is taken when they fall, or come; and those by which less is taken when they rise.
_AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")


class _Place(Struct, frozen=True):
    """One place in both schemas, by its path from the arguments; the path is empty for the arguments themselves."""

    path: str
    old: Any
    new: Any
    depth: int = 0

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return named(self.path) if self.path else "the arguments"


def schema_changes(old: Schema, new: Schema) -> tuple[Change, ...]:
    """What is different between two schemas of an arguments object.

    :returns: a change a sentence part, such as ``argument `b` is new and required``; empty where nothing that a caller
        could notice is different. At most :data:`MAX_CHANGES` and two. What is used in several places is told of once.
    """
    if same_json(old, new):
        return ()
    walk = _Walk(old, new)
    changes = list(islice(walk.changes(), MAX_CHANGES + 1))
    if len(changes) > MAX_CHANGES:
        changes[-1] = Change("and more that is not shown", breaking=True)
    if walk.exhausted:
        changes.append(Change("its arguments are too large or too deep to be compared in full", breaking=True))
    if not changes and not _same_beyond_remarks(old, new):
        changes.append(Change("something in the schema of its arguments changed", breaking=True))
    return tuple(changes)


class _Walk:
    """Goes through both schemas at once."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._roots = (old, new)
        self._waiting = deque([_Place("", old, new)])
        self._seen: set[tuple[int, int]] = set()
        self._places = 0
        self.exhausted = False

    def changes(self) -> Iterator[Change]:
        """Every difference, the outer ones first."""
        while self._waiting and self._is_within_bounds():
            place = self._waiting.popleft()
            old, new = (_resolved(one, root) for one, root in zip((place.old, place.new), self._roots, strict=True))
            if place.path:
                yield from _remarks(place, old, new)
            # The roots keep the schemas alive, so the identity of each stays its own.
            if (key := (id(old), id(new))) not in self._seen:
                self._seen.add(key)
                yield from self._at(_Place(place.path, old, new, place.depth))

    def _is_within_bounds(self, places: int = 1) -> bool:
        self._places += places
        self.exhausted = self.exhausted or self._places > MAX_PLACES
        return not self.exhausted

    def _add(self, path: str, old: Any, new: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.exhausted = self.exhausted or not same_json(old, new)
        else:
            self._waiting.append(_Place(path, old, new, depth))

    def _at(self, place: _Place) -> Iterator[Change]:
        old, new = self._forms(place.old, 0), self._forms(place.new, 1)
        if place.path:
            yield from _kind_changes(place, old, new)
        after = _by_kinds(new)
        for kinds, forms in _by_kinds(old).items():
            counterparts = after.get(kinds, [])
            if len(forms) == len(counterparts):
                for pair in zip(forms, counterparts, strict=True):
                    yield from self._form_changes(_Place(place.path, *pair, place.depth), kinds)
            elif counterparts:
                yield Change(f"{place.name}: the forms it can have changed", breaking=True)

    def _form_changes(self, place: _Place, kinds: frozenset[str]) -> Iterator[Change]:
        if not isinstance(place.old, dict) or not isinstance(place.new, dict):
            return
        yield from _bound_changes(place)
        yield from _other_changes(place)
        if "object" in kinds or "properties" in place.old or "properties" in place.new:
            yield from self._object(place)
        if "array" in kinds or "items" in place.old or "items" in place.new:
            yield from self._array(place)

    def _object(self, place: _Place) -> Iterator[Change]:
        old, new = _members(place.old), _members(place.new)
        was_required, is_required = _required(place.old), _required(place.new)
        if not self._is_within_bounds(len(old) + len(new)):
            return
        what = "" if place.path else "argument "
        for name in (*old, *(name for name in new if name not in old)):
            path, required = _joined(place.path, name), name in is_required
            if name not in new:
                yield Change(f"{what}{named(path)} is gone", breaking=True)
            elif name not in old:
                yield Change(f"{what}{named(path)} is new and {'required' if required else 'optional'}", required)
            else:
                if required != (name in was_required):
                    words = "required" if required else "optional"
                    yield Change(f"{what}{named(path)} is {words} now", breaking=required)
                self._add(path, old[name], new[name], place.depth + 1)
        yield from self._unnamed(place)

    def _unnamed(self, place: _Place) -> Iterator[Change]:
        """Members that are not named."""
        old, new = (one.get("additionalProperties", True) for one in (place.old, place.new))
        if isinstance(old, dict) and isinstance(new, dict):
            self._add(_joined(place.path, "*"), old, new, place.depth + 1)
        elif not same_json(old, new):
            now = "no" if new is False else "any" if new is True else "only some"
            yield Change(f"{place.name}: {now} members beside the named ones are taken now", breaking=new is not True)

    def _array(self, place: _Place) -> Iterator[Change]:
        old, new = (one if isinstance(one := side.get("items"), dict) else _EMPTY for side in (place.old, place.new))
        self._add(f"{place.path}[]", old, new, place.depth + 1)
        yield from ()

    def _forms(self, schema: Any, side: int) -> list[Any]:
        """The forms that a value can have: the alternatives of an ``anyOf`` or ``oneOf``, else itself."""
        found: list[Any] = []
        waiting = deque([(schema, 0)])
        while waiting and self._is_within_bounds():
            one, depth = waiting.popleft()
            one = _resolved(one, self._roots[side])
            inner = _list_of(one, "anyOf") or _list_of(one, "oneOf")
            if inner and depth < _MAX_REFERENCES:
                waiting.extend((each, depth + 1) for each in inner)
            else:
                found.append(one)
        return found


_EMPTY: Schema = {}


def _by_kinds(forms: Sequence[Any]) -> dict[frozenset[str], list[Any]]:
    found: dict[frozenset[str], list[Any]] = {}
    for form in forms:
        found.setdefault(_kinds([form]), []).append(form)
    return found


def _resolved(schema: Any, root: Schema) -> Any:
    """Where a chain of references leads within the same schema; what leads nowhere, or in a circle, stays as it is."""
    for _ in range(_MAX_REFERENCES):
        if not isinstance(schema, dict):
            break
        following = _target(schema["$ref"], root) if isinstance(schema.get("$ref"), str) else None
        if following is None and schema.keys() - _REMARKS == {"allOf"} and len(_list_of(schema, "allOf")) == 1:
            following = schema["allOf"][0]
        if following is None:
            break
        schema = following
    return schema


def _target(reference: str, root: Schema) -> Any:
    """What a JSON Pointer (RFC 6901) in a fragment points at; None where that is nothing."""
    found: Any = root
    if not reference.startswith("#/") or reference.count("/") > _MAX_REFERENCES:
        return None
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _kind_changes(place: _Place, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
    """Another type, or other values where those are listed."""
    was, now = _kinds(old), _kinds(new)
    if was != now:
        yield Change(f"{place.name} was {_kinds_words(was)} and is {_kinds_words(now)} now", not _covers(now, was))
    before, after = _values(old), _values(new)
    if before is not None and after is not None:
        gone = [text for text in before if text not in after]
        come = [text for text in after if text not in before]
        if gone:
            yield Change(f"{place.name} does not take {_listed(before[text] for text in gone)} any more", breaking=True)
        if come:
            yield Change(f"{place.name} takes {_listed(after[text] for text in come)} too")
    elif after is not None:
        yield Change(f"{place.name} takes only {_listed(after.values())} now", breaking=True)
    elif before is not None:
        yield Change(f"{place.name} takes more than {_listed(before.values())} now")


def _kinds(alternatives: Sequence[Any]) -> frozenset[str]:
    kinds: set[str] = set()
    for one in alternatives:
        stated = one.get("type") if isinstance(one, dict) else None
        types = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
        known = {kind for kind in types if isinstance(kind, str) and kind in _KINDS}
        kinds |= known or _kinds_of_values(one) or {_ANYTHING}
    return frozenset(kinds)


def _kinds_of_values(schema: Any) -> set[str]:
    """The types of listed values, where only those are stated."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    listed = _listed_values(schema)
    return {names.get(type(value), "null") for value in listed} if listed is not None else set()


def _covers(now: frozenset[str], was: frozenset[str]) -> bool:
    """Whether everything that was taken still is."""
    return _ANYTHING in now or all(kind in now or (kind == "integer" and "number" in now) for kind in was)


def _kinds_words(kinds: frozenset[str]) -> str:
    ordered = [words for kind, words in _KINDS.items() if kind in kinds]
    return in_words(ordered) if ordered and _ANYTHING not in kinds else _ANYTHING


def _values(alternatives: Sequence[Any]) -> dict[str, Any] | None:
    """The values that are taken where they are listed, by their JSON; None where others are taken too."""
    found: dict[str, Any] = {}
    for one in alternatives:
        listed = _listed_values(one)
        if listed is None:
            if isinstance(one, dict) and one.get("type") == "null":
                listed = [None]
            else:
                return None
        found |= {_json(value): value for value in listed}
    return found if set(found) != {"null"} else None


def _json(value: Any) -> str:
    """What tells one value from others."""
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, msgspec.MsgspecError):
        return f"at {id(value)}"


def _listed_values(schema: Any) -> list[Any] | None:
    if not isinstance(schema, dict):
        return None
    if "const" in schema:
        return [schema["const"]]
    listed = schema.get("enum")
    return listed if isinstance(listed, list) else None


def _listed(values: Iterable[Any]) -> str:
    shown = [value_words(value) for value in values]
    more = len(shown) - _MAX_SHOWN
    return in_words([*shown[:_MAX_SHOWN], f"{more} more"] if more > 0 else shown, "and")


def _remarks(place: _Place, old: Any, new: Any) -> Iterator[Change]:
    """What tells of an argument and does not bind its callers; beside a reference it counts more than behind it.

    :param old: the schema that ``place.old`` leads to.
    """
    sides = [
        {**(target if isinstance(target, dict) else {}), **(one if isinstance(one, dict) else {})}
        for one, target in ((place.old, old), (place.new, new))
    ]
    was, now = (value_words(side["default"]) if "default" in side else "none" for side in sides)
    if was != now:
        yield Change(f"the default of {place.name} was {was} and is {now} now")
    before, after = (side.get("description") for side in sides)
    if before != after and all(text is None or isinstance(text, str) for text in (before, after)):
        yield Change(f"the description of {place.name} is {quoted(after) if after else 'empty'} now")


def _bound_changes(place: _Place) -> Iterator[Change]:
    """Bounds of numbers and lengths."""
    for names, sign in ((_AT_MOST, 1), (_AT_LEAST, -1)):
        for name in names:
            was, now = place.old.get(name), place.new.get(name)
            if was is not now and not same_json(was, now):
                wider = now is None or (_is_number(was) and _is_number(now) and sign * now > sign * was)
                yield Change(f"{place.name}: {name} was {_bound(was)} and is {_bound(now)} now", not wider)


def _other_changes(place: _Place) -> Iterator[Change]:
    """Whatever else a schema can say: patterns, formats, conditions."""
    old, new = place.old, place.new
    for key in sorted((old.keys() | new.keys()) - _KNOWN - {*_AT_MOST, *_AT_LEAST}):
        if key not in new:
            yield Change(f"{place.name}: {printable(key, 60)} is not stated any more")
        elif key not in old or not same_json(old[key], new[key]):
            yield Change(f"{place.name}: {printable(key, 60)} is {value_words(new[key])} now", breaking=True)
    if not same_json(_list_of(old, "allOf"), _list_of(new, "allOf")):
        yield Change(f"{place.name}: allOf changed", breaking=True)


def _same_beyond_remarks(old: Schema, new: Schema) -> bool:
    """Whether two schemas are the same but for titles and the like, wherever in them; False where that is not known."""
    waiting: list[tuple[Any, Any, bool]] = [(old, new, False)]
    for _ in range(MAX_PLACES):
        if not waiting:
            return True
        one, other, are_names = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            keys, others = ((side.keys() if are_names else side.keys() - _REMARKS) for side in (one, other))
            if keys != others:
                return False
            waiting += [(one[key], other[key], not are_names and key in _NAMES) for key in keys]
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            waiting += [(*pair, False) for pair in zip(one, other, strict=True)]
        elif not same_json(one, other):
            return False
    return False


def _members(schema: Schema) -> dict[str, Any]:
    members = schema.get("properties")
    return members if isinstance(members, dict) else {}


def _required(schema: Schema) -> frozenset[str]:
    return frozenset(name for name in _list_of(schema, "required") if isinstance(name, str))


def _list_of(schema: Any, key: str) -> list[Any]:
    value = schema.get(key) if isinstance(schema, dict) else None
    return value if isinstance(value, list) else []


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}"[-400:] if path else name


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _bound(value: Any) -> str:
    return "not stated" if value is None else value_words(value)
