"""Two versions of a plugin: every part that can be different, and what is bounded."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from cadence.comparison import Comparison, FileChange, FileFacts, Package, PackageChange, Side, compare
from cadence.comparison.values import MAX_LISTED, MAX_TOOL_CHANGES
from cadence.model import Metadata, Requests, ToolSpec
from tests.comparison.making import arguments, side, tool


def compared(old: dict[str, Any], new: dict[str, Any]) -> Comparison:
    return compare(side("1.0.0", **old), side("2.0.0", **new))


def metadata(**changes: Any) -> dict[str, Metadata]:
    return {"metadata": structs.replace(Metadata("demo", "1", "A plugin"), **changes)}


def test_a_version_is_not_different_from_itself() -> None:
    same = compare(side(), side())
    assert same.is_empty
    assert same.summary() == "Nothing is different."
    assert same.files.unchanged == 2


def test_files_come_go_and_change() -> None:
    found = compared({}, {"files": {"tools.py": FileFacts(25, "cc"), "new.py": FileFacts(1, "dd")}}).files
    assert found.added == (FileChange("new.py", None, 1),)
    assert found.removed == (FileChange("plugin.py", 10, None),)
    assert found.changed == (FileChange("tools.py", 20, 25),)
    assert found.unchanged == 0


def test_packages_come_go_and_change() -> None:
    found = compared({"packages": {"a": "1", "b": "1"}}, {"packages": {"b": "2", "c": "3"}}).packages
    assert (found.added, found.removed) == ((Package("c", "3"),), (Package("a", "1"),))
    assert found.changed == (PackageChange("b", "1", "2"),)


def test_what_breaks_callers_stands_first_in_sentences() -> None:
    old = {"tools": (tool("add"), tool("gone"), tool("same"))}
    new = {"tools": (tool("add", arguments(a="string", b="integer")), tool("same"), tool("new"))}
    found = compared(old, new)
    assert found.breaking == (
        "Tool `gone` is gone.",
        "Tool `add`: argument `b` is new and required.",
        "Tool `add`: `a` was an integer and is a string now.",
    )
    assert (found.tools.added, found.tools.removed) == (("new",), ("gone",))
    assert [(one.name, one.breaking) for one in found.tools.changed] == [("add", True)]
    assert found.summary() == "Different: 3 changes that may break its callers, 3 tools."


def test_another_description_of_a_tool_breaks_nobody() -> None:
    found = compared({}, {"tools": (tool(description="Adds.\nAll."),)})
    assert [change.words for change in found.tools.changed[0].changes] == [r"its description is “Adds.\nAll.” now"]
    assert (found.breaking, found.tools.changed[0].breaking) == ((), False)


def test_what_it_asks_for_newly_is_told() -> None:
    before, after = Requests(("a.example:443",), 512), Requests(("a.example:443", "b.example:443"), 1024)
    found = compared({"requests": before}, {"requests": after}).needs
    assert found.added == ("to connect to b.example:443", "1024 MiB of memory")
    assert found.removed == ("512 MiB of memory",)


def test_a_finding_that_moved_to_another_line_is_none() -> None:
    old = {"findings": ("tools.py:3 runs a shell", "gone")}
    new = {"findings": ("tools.py:12 runs a shell", "line 4 is odd")}
    found = compared(old, new).findings
    assert (found.added, found.removed) == (("line 4 is odd",), ("gone",))


def test_requirements_and_what_it_says_of_itself_are_compared() -> None:
    old = metadata(capabilities=("x",), llm_requirements={"model": "small"}) | {"requirements": ("numpy>=1",)}
    new = metadata(description="Better", capabilities=("x", "y"), agent_type="utility") | {
        "requirements": ("numpy>=2",)
    }
    found = compared(old, new)
    assert (found.requirements.added, found.requirements.removed) == (("numpy>=2",), ("numpy>=1",))
    assert found.description.added == (
        "Its description is “Better”",
        "It is a utility agent",
        "Capability “y”",
        "What it asks of the model: nothing",
    )
    assert 'What it asks of the model: {"model":"small"}' in found.description.removed
    assert compared(metadata(), metadata(description="Other")).summary() == "It says something else of itself."


def test_another_version_number_alone_is_no_difference() -> None:
    assert compared(metadata(version="1.0.0"), metadata(version="2.0.0")).is_empty


@pytest.mark.parametrize(
    ("field", "part"),
    [
        *(("files", "files"), ("packages", "packages"), ("tools", "tools"), ("requests", "needs")),
        *(("findings", "findings"), ("requirements", "requirements"), ("metadata", "description")),
    ],
)
def test_what_is_not_known_of_a_side_is_not_compared_and_said(field: str, part: str) -> None:
    for old, new in (({field: "Why."}, {}), ({}, {field: "Why."}), ({field: "Why."}, {field: "Why."})):
        found = compared(old, new)
        assert getattr(found, part).unknown == "Why."
        assert found.unknown == ("Why.",)
        assert found.summary() == "Nothing is different in what could be compared."


def test_long_lists_are_cut_and_counted() -> None:
    files = {f"f{number:05d}": FileFacts(1, "") for number in range(MAX_LISTED + 7)}
    tools = tuple(tool(f"t{number}") for number in range(MAX_LISTED + 3))
    found = compared({"files": {}, "tools": tools}, {"files": files, "tools": ()})
    assert (len(found.files.added), found.files.left_out) == (MAX_LISTED, 7)
    assert (len(found.tools.removed), found.tools.left_out, len(found.breaking)) == (MAX_LISTED, 3, MAX_LISTED)
    assert f"{MAX_LISTED + 7} files" in found.summary()


def test_whatever_a_plugin_calls_things_is_shown_on_one_line() -> None:
    hostile = "x\n\x1b[2J\u202e" + "y" * 2000
    found = compared(
        {"tools": (), "files": {}, "findings": (), "requirements": ()},
        metadata(name=hostile, description=hostile, agent_type=hostile, capabilities=(hostile,))
        | {"tools": (tool(hostile, description=hostile),), "files": {hostile: FileFacts(1, "")}}
        | {"findings": (hostile,), "requirements": (hostile,), "requests": Requests((hostile,))},
    )
    texts = [*found.tools.added, *found.findings.added, *found.requirements.added, *found.needs.added]
    texts += [*found.description.added, found.files.added[0].path]
    assert len(texts) == 9
    assert all(text.isprintable() and len(text) < 500 for text in texts)


NAMES = st.sampled_from(["a", "b", "c", "d"])
SIDES: st.SearchStrategy[Side] = st.builds(
    side,
    files=st.dictionaries(NAMES, st.builds(FileFacts, st.integers(0, 3), st.sampled_from(["x", "y"]))),
    packages=st.dictionaries(NAMES, st.sampled_from(["1", "2"])),
    requirements=st.lists(NAMES).map(tuple),
    findings=st.lists(NAMES).map(tuple) | st.just("Not known."),
    requests=st.builds(Requests, st.lists(NAMES).map(tuple), st.none() | st.integers(1, 3)),
    tools=st.lists(
        st.builds(ToolSpec, NAMES, NAMES, st.dictionaries(NAMES, st.just("integer")).map(lambda all: arguments(**all))),
        unique_by=lambda one: one.name,
    ).map(tuple),
)


@settings(deadline=None)
@given(SIDES)
def test_no_side_is_different_from_itself(one: Side) -> None:
    assert compare(one, one).is_empty


@settings(deadline=None)
@given(SIDES, SIDES)
def test_what_is_added_one_way_is_removed_the_other_way(one: Side, other: Side) -> None:
    there, back = compare(one, other), compare(other, one)
    assert there.is_empty == back.is_empty
    for part in ("tools", "needs", "findings", "requirements", "packages", "description"):
        assert getattr(there, part).added == getattr(back, part).removed
    assert [file.path for file in there.files.added] == [file.path for file in back.files.removed]
    assert [tool.name for tool in there.tools.changed] == [tool.name for tool in back.tools.changed]
    assert bool(there.breaking) <= (not there.is_empty)


def test_a_name_cannot_end_the_quotes_it_stands_in() -> None:
    found = compared({"tools": (tool("a`b"),)}, {"tools": ()})
    assert found.breaking == ("Tool `a'b` is gone.",)


def test_the_changes_of_many_tools_are_cut_and_none_that_breaks_is_hidden_by_others() -> None:
    remarks: dict[str, Any] = {f"a{number}": {"type": "integer", "description": "x"} for number in range(90)}
    plain = {name: {"type": "integer"} for name in remarks}
    count = MAX_TOOL_CHANGES // 90 + 20
    old = tuple(tool(f"t{number:03}", arguments(**plain)) for number in range(count))
    new = tuple(tool(f"t{number:03}", arguments(**remarks, z="integer")) for number in range(count))
    found = compared({"tools": old}, {"tools": new})
    assert (len(found.tools.changed), len(found.breaking)) == (count, count)
    assert sum(len(one.changes) for one in found.tools.changed) <= MAX_TOOL_CHANGES + 2 * count
    assert all(one.breaking for one in found.tools.changed)
    assert found.tools.changed[-1].changes[-1].words == "and 90 more"
