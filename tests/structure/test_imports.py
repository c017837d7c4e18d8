"""Imports flow one way, and what belongs in one place is in no other."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure.imports import ROOT, imports, is_module, module_name, sources, tree

#: The storeys of the house, from the ground up: a module imports from its own room and from those below.
FOUNDATION = {
    "comparison",
    "conversation",
    "model",
    "history",
    "errors",
    "expectation",
    "grant_changes",
    "origin",
    "setting",
    "setting_parsers",
    "config",
    "outcome",
    "progress",
}
ROOMS = {"intake", "dependencies", "storage", "runtime"}
WIRING = {"installer", "reconciler", "parts"}
TOP = {"web", "cli", "server", "__init__"}

#: Names that only the top storeys may import, and where.
FLASK = {"flask", "flask_wtf", "wtforms", "werkzeug", "htmx_flask", "markupsafe", "jinja2", "click"}
SERVER = sources("cadence")
SDK = sources("cadence_sdk")


def room(module: str) -> str:
    """``cadence.storage.index`` is of the room ``storage``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def storey(name: str) -> int:
    for level, names in enumerate((FOUNDATION, ROOMS)):
        if name in names:
            return level
    return 3 if name in TOP else 2


def own(path: Path) -> set[str]:
    """The rooms of the server that a file imports from."""
    return {room(name) for name in imports(path) if name.split(".")[0] == "cadence"} - {room(module_name(path))}


@pytest.mark.parametrize("path", SERVER, ids=module_name)
def test_imports_flow_one_way(path: Path) -> None:
    here = room(module_name(path))
    above = {there for there in own(path) if storey(there) > storey(here)}
    assert not above, f"{here} imports from above: {above}"


@pytest.mark.parametrize("path", [path for path in SERVER if room(module_name(path)) in ROOMS], ids=module_name)
def test_the_rooms_do_not_import_one_another(path: Path) -> None:
    assert own(path) <= FOUNDATION


@pytest.mark.parametrize("path", [path for path in SERVER if room(module_name(path)) in FOUNDATION], ids=module_name)
def test_the_foundation_stands_on_itself(path: Path) -> None:
    assert own(path) <= FOUNDATION
    assert not ({name.split(".")[0] for name in imports(path)} & {"sqlite3", "sqlite_utils", "subprocess", "socket"})


def test_no_two_modules_of_the_server_import_each_other() -> None:
    """Neither directly nor in a longer circle, but for what only type checkers see."""
    graph = {module_name(path): {name for name in _at_run_time(path) if name.startswith("cadence.")} for path in SERVER}
    for start in graph:
        assert start not in set(_reachable(graph, start)), f"{start} imports itself by a detour"


@pytest.mark.parametrize("path", SERVER, ids=module_name)
def test_flask_is_only_at_the_top(path: Path) -> None:
    module = module_name(path)
    allowed = module == "cadence" or module.startswith(("cadence.cli", "cadence.web"))
    assert allowed or not {name.split(".")[0] for name in imports(path)} & FLASK


@pytest.mark.parametrize("path", SDK, ids=module_name)
def test_the_sdk_does_not_know_the_server(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & {"cadence", *FLASK, "sqlite_utils", "granian"}


@pytest.mark.parametrize("path", SERVER, ids=module_name)
def test_the_server_never_imports_what_runs_plugins(path: Path) -> None:
    """Of the SDK it knows the messages; plugin code, and what loads it, runs in other processes."""
    sdk = {name for name in imports(path) if name.split(".")[0] == "cadence_sdk"}
    plain = ("report", "wire", "limits", "endpoint")
    assert sdk <= {"cadence_sdk._runtime", *(f"cadence_sdk._runtime.{name}" for name in plain)}
    assert "pickle" not in imports(path)


#: They take a second to import, so what needs them is imported when a turn does.
LANGCHAIN = {"langchain", "langchain_core", "langgraph", "langsmith"}


@pytest.mark.parametrize("path", SERVER, ids=module_name)
def test_langchain_is_only_in_conversations(path: Path) -> None:
    assert room(module_name(path)) == "chat" or not {name.split(".")[0] for name in imports(path)} & LANGCHAIN


def test_neither_the_application_nor_conversations_import_langchain_before_a_turn_needs_it() -> None:
    script = "import sys, cadence.parts, cadence.chat.conversations, cadence.web.api; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "cadence.chat.conversations" in loaded
    assert not {name.split(".")[0] for name in loaded.split()} & LANGCHAIN


@pytest.mark.parametrize("path", SERVER, ids=module_name)
def test_the_environment_is_read_in_one_place(path: Path) -> None:
    if module_name(path) == "cadence.config":
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os":
            assert node.attr not in ("environ", "getenv", "environb", "putenv"), f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not {alias.name for alias in node.names} & {"environ", "getenv", "environb"}


def test_the_sdk_touches_the_environment_only_to_replace_that_of_a_worker() -> None:
    users = {
        module_name(path)
        for path in SDK
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    assert users <= {"cadence_sdk._runtime.process"}


_STATEMENTS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE FROM ", "CREATE TABLE", "PRAGMA ", "BEGIN IMMEDIATE")


@pytest.mark.parametrize("path", [*SERVER, *SDK], ids=module_name)
def test_sql_is_only_in_the_storage(path: Path) -> None:
    if room(module_name(path)) == "storage":
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not node.value.lstrip().startswith(_STATEMENTS), f"line {node.lineno}: {node.value[:40]!r}"
    assert not {name.split(".")[0] for name in imports(path)} & {"sqlite3", "sqlite_utils"}


def test_there_is_sql_in_the_storage() -> None:
    """Else the test above would prove nothing."""
    found = [
        node
        for path in sources("cadence/storage")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(_STATEMENTS)
    ]
    assert len(found) > 10


def test_no_module_is_named_for_nothing() -> None:
    nameless = {"utils", "util", "helpers", "helper", "misc", "common", "tools2", "lib"}
    named = {path.stem if path.stem != "__init__" else path.parent.name for path in [*SERVER, *SDK]}
    # Plugins in the field import cadence_sdk.utils.
    assert named & nameless == {"utils"}
    assert (ROOT / "cadence_sdk" / "utils" / "__init__.py").is_file()
    assert not list((ROOT / "cadence").rglob("utils*"))


def test_importing_the_model_costs_no_web_and_no_langchain() -> None:
    import subprocess
    import sys

    code = "import sys, cadence.model; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not set(loaded.split()) & {"flask", "langchain_core", "sqlite_utils", "pydantic"}


def _at_run_time(path: Path) -> set[str]:
    module = tree(path)
    hidden = {
        id(inner)
        for node in ast.walk(module)
        if isinstance(node, (ast.FunctionDef, ast.If))
        and (isinstance(node, ast.FunctionDef) or "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(module):
        if id(node) not in hidden and isinstance(node, ast.ImportFrom) and node.module:
            found |= {_imported(node.module, alias.name) for alias in node.names}
    return found - {module_name(path)}


def _imported(module: str, name: str) -> str:
    return f"{module}.{name}" if is_module(f"{module}.{name}") else module


def _reachable(graph: dict[str, set[str]], start: str) -> Iterator[str]:
    seen: set[str] = set()
    waiting = [name for name in graph[start] if name in graph]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name
            waiting += [other for other in graph[name] if other in graph]
