"""Two versions of a plugin, each as far as it is known, and what is different between them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct, structs

from cadence.comparison.schemas import schema_changes
from cadence.comparison.values import (
    MAX_LISTED,
    MAX_TOOL_CHANGES,
    Change,
    Comparison,
    FileChange,
    FileChanges,
    FileFacts,
    Package,
    PackageChange,
    PackageChanges,
    TextChanges,
    ToolChange,
    ToolChanges,
)
from cadence.comparison.words import MAX_NAME_CHARACTERS, named, printable, quoted, same_json, value_words
from cadence_sdk._runtime.report import Metadata, Requests, ToolSpec

#: Where in a file something was found: ``tools.py:12``, ``line 12``.
_PLACE = re.compile(r"(?<=\.py):[0-9]{1,9}(?::[0-9]{1,9})?|(?<=\bline )[0-9]{1,9}", re.ASCII)
#: Sentences that one side may have for its findings to be compared; what comes after is left out.
_MAX_TEXTS = 10_000

_T = TypeVar("_T")


class Side(Struct, frozen=True):
    """What is compared of one version. What is not known of it is a string instead, a sentence that says why.

    ``files`` are by path, ``packages`` versions by canonical name, those of its lock, ``findings`` the warnings of its
    inspection and its trial.
    """

    plugin_name: str
    version: str
    files: Mapping[str, FileFacts] | str
    packages: Mapping[str, str] | str
    requirements: Sequence[str] | str
    tools: Sequence[ToolSpec] | str
    metadata: Metadata | str
    requests: Requests | str
    findings: Sequence[str] | str


def compare(old: Side, new: Side) -> Comparison:
    """What is different in ``new``. Two equal sides come to an empty comparison.

    Time and size are bounded, whatever the sides hold: linear in what they hold, but for the sorting of names.
    """
    tools = _compare_tools(old.tools, new.tools)
    return Comparison(
        plugin_name=new.plugin_name,
        old_version=old.version,
        new_version=new.version,
        breaking=tuple(_breaking(tools)),
        tools=structs.replace(tools, changed=tuple(_trimmed(tools.changed))),
        needs=_compare_needs(old.requests, new.requests),
        findings=_compare_texts(old.findings, new.findings, without_places=True),
        requirements=_compare_texts(old.requirements, new.requirements),
        packages=_compare_packages(old.packages, new.packages),
        files=_compare_files(old.files, new.files),
        description=_compare_metadata(old.metadata, new.metadata),
    )


def _compare_files(old: Mapping[str, FileFacts] | str, new: Mapping[str, FileFacts] | str) -> FileChanges:
    if isinstance(old, str) or isinstance(new, str):
        return FileChanges(unknown=_why(old, new))
    added = [FileChange(printable(path), None, new[path].size_bytes) for path in sorted(new.keys() - old.keys())]
    removed = [FileChange(printable(path), old[path].size_bytes, None) for path in sorted(old.keys() - new.keys())]
    both = sorted(old.keys() & new.keys())
    changed = [
        FileChange(printable(path), old[path].size_bytes, new[path].size_bytes)
        for path in both
        if old[path] != new[path]
    ]
    left_out, unchanged = _left_out(added, removed, changed), len(both) - len(changed)
    return FileChanges(_cut(added), _cut(removed), _cut(changed), unchanged=unchanged, left_out=left_out)


def _compare_packages(old: Mapping[str, str] | str, new: Mapping[str, str] | str) -> PackageChanges:
    if isinstance(old, str) or isinstance(new, str):
        return PackageChanges(unknown=_why(old, new))
    added = [Package(name, new[name]) for name in sorted(new.keys() - old.keys())]
    removed = [Package(name, old[name]) for name in sorted(old.keys() - new.keys())]
    changed = [
        PackageChange(name, old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]
    ]
    left_out = _left_out(added, removed, changed)
    return PackageChanges(_cut(added), _cut(removed), _cut(changed), left_out=left_out)


def _compare_tools(old: Sequence[ToolSpec] | str, new: Sequence[ToolSpec] | str) -> ToolChanges:
    if isinstance(old, str) or isinstance(new, str):
        return ToolChanges(unknown=_why(old, new))
    before, after = ({tool.name: tool for tool in side} for side in (old, new))
    added = [printable(name, MAX_NAME_CHARACTERS) for name in sorted(after.keys() - before.keys())]
    removed = [printable(name, MAX_NAME_CHARACTERS) for name in sorted(before.keys() - after.keys())]
    compared = (
        (name, tuple(_tool_changes(before[name], after[name]))) for name in sorted(before.keys() & after.keys())
    )
    changed = [ToolChange(printable(name, MAX_NAME_CHARACTERS), changes) for name, changes in compared if changes]
    left_out = _left_out(added, removed, changed)
    return ToolChanges(_cut(added), _cut(removed), _cut(changed), left_out=left_out)


def _trimmed(tools: Sequence[ToolChange]) -> Iterator[ToolChange]:
    """The tools with as many changes as there is room for: a hostile plugin has tens of thousands."""
    room = MAX_TOOL_CHANGES
    for tool in tools:
        if len(tool.changes) <= room:
            room -= len(tool.changes)
            yield tool
            continue
        shown = sorted(tool.changes, key=lambda change: not change.breaking)[: max(1, room)]
        room = 0
        more = len(tool.changes) - len(shown)
        yield ToolChange(tool.name, (*shown, *([Change(f"and {more} more")] if more else [])))


def _tool_changes(old: ToolSpec, new: ToolSpec) -> Iterator[Change]:
    yield from schema_changes(old.parameters, new.parameters)
    if old.description != new.description:
        yield Change(
            f"its description is {quoted(new.description)} now" if new.description else "it has no description"
        )


def _breaking(tools: ToolChanges) -> Iterator[str]:
    """The sentences about what breaks callers, as many as are worth reading."""
    sentences = [f"Tool {named(name)} is gone." for name in tools.removed]
    for tool in tools.changed:
        sentences += [f"Tool {named(tool.name)}: {change.words}." for change in tool.changes if change.breaking]
    yield from sentences[:MAX_LISTED]


def _compare_texts(old: Sequence[str] | str, new: Sequence[str] | str, *, without_places: bool = False) -> TextChanges:
    """Texts by what they say, in the order in which they are said.

    :param without_places: compare without the lines they name: a finding that moved is no new one.
    """
    if isinstance(old, str) or isinstance(new, str):
        return TextChanges(unknown=_why(old, new))
    before, after = (
        {(_PLACE.sub("", text) if without_places else text): text for text in reversed(side[:_MAX_TEXTS])}
        for side in (old, new)
    )
    added = [printable(text) for key, text in reversed(after.items()) if key not in before]
    removed = [printable(text) for key, text in reversed(before.items()) if key not in after]
    return TextChanges(_cut(added), _cut(removed), left_out=_left_out(added, removed))


def _compare_needs(old: Requests | str, new: Requests | str) -> TextChanges:
    if isinstance(old, str) or isinstance(new, str):
        return TextChanges(unknown=_why(old, new))
    return _compare_texts(_needs(old), _needs(new))


def _needs(requests: Requests) -> list[str]:
    memory = [f"{requests.memory_mb} MiB of memory"] if requests.memory_mb is not None else []
    return [*(f"to connect to {place}" for place in requests.network), *memory]


def _compare_metadata(old: Metadata | str, new: Metadata | str) -> TextChanges:
    if isinstance(old, str) or isinstance(new, str):
        return TextChanges(unknown=_why(old, new))
    return _compare_texts(list(_self_description(old, new)), list(_self_description(new, old)))


def _self_description(one: Metadata, other: Metadata) -> Iterator[str]:
    """What a version says of itself, a sentence each; of structured values only that they are different."""
    yield f"It calls itself {quoted(one.name)}"
    yield f"Its description is {quoted(one.description)}" if one.description else "It has no description"
    yield f"It is a {printable(one.agent_type, MAX_NAME_CHARACTERS)} agent"
    yield from (f"Capability {quoted(capability)}" for capability in one.capabilities)
    for what, value, counterpart in (
        ("the model", one.llm_requirements, other.llm_requirements),
        ("the form of its answers", one.response_schema, other.response_schema),
    ):
        if not same_json(value, counterpart):
            yield f"What it asks of {what}: {value_words(value) if value else 'nothing'}"
    if one.response_suggestion:
        yield f"It suggests to answer: {quoted(one.response_suggestion)}"


def _cut(entries: Sequence[_T]) -> tuple[_T, ...]:
    return tuple(entries[:MAX_LISTED])


def _left_out(*lists: Sequence[object]) -> int:
    return sum(max(0, len(entries) - MAX_LISTED) for entries in lists)


def _why(old: object, new: object) -> str:
    """Why something is not known, of the one side or of both."""
    return " ".join(dict.fromkeys(reason for reason in (old, new) if isinstance(reason, str)))
