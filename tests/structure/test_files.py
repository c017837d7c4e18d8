"""What no file of the repository may hold, and how long modules and functions may be."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.structure.imports import ROOT, module_name, sources, tree

#: In pieces, so that this file does not hold them itself.
REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npmjs" + ".org",
    "npmjs" + ".com",
    "jsdelivr" + ".net",
    "unpkg" + ".com",
    "cdnjs" + ".cloudflare",
    "crates" + ".io",
)
PLACES = ("/" + "root/", str(ROOT) + "/", "/" + "work/")


def tracked() -> list[Path]:
    """The text files under version control; all files where there is none (an unpacked source archive)."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        found = [ROOT / name for name in names if name]
    else:
        found = [path for path in ROOT.rglob("*") if not {".venv", "instance"} & set(path.parts)]
    return [path for path in found if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def lines_with(words: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if any(word in line for word in words)
    ]


def test_there_are_files_to_look_at() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert {"README.md", "pyproject.toml", "requirements.lock", "cadence/config.py"} <= names


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(REGISTRIES) == []


def test_no_file_holds_a_path_of_this_machine() -> None:
    assert lines_with(PLACES) == []


def test_no_run_time_state_is_under_version_control() -> None:
    suffixes = {".db", ".log", ".zip", ".whl", ".pyc", ".sqlite"}
    held = [path.relative_to(ROOT).as_posix() for path in tracked() if path.suffix in suffixes]
    assert held == []


@pytest.mark.parametrize("path", sources("cadence", "cadence_sdk"), ids=module_name)
def test_modules_and_functions_are_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 60, node.name


@pytest.mark.parametrize("path", sources("cadence", "cadence_sdk"), ids=module_name)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path))
