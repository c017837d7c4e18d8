"""The lines in which something is wrong."""

from pathlib import Path

import pytest

from cadence.excerpts import with_lines
from cadence.model import Fault


def quoted(folder: Path, culprit: str | None) -> str | None:
    (fault,) = with_lines([Fault("inspect", "x", "It is wrong.", culprit, line="from elsewhere")], folder)
    return fault.line


def test_a_fault_says_what_stands_in_the_line_it_names(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text("import os\n\n    class Plugin(Base):\n")
    assert quoted(tmp_path, "plugin.py:3") == "class Plugin(Base):"
    assert quoted(tmp_path, "plugin.py:3:7") == "class Plugin(Base):"


@pytest.mark.parametrize(
    "culprit",
    [None, "", "plugin.py", "plugin.py:0", "plugin.py:99", "plugin.py:2", "absent.py:1", "numpy>=1:2", "a\0b:1"],
)
def test_where_there_is_no_such_line_nothing_is_said(tmp_path: Path, culprit: str | None) -> None:
    (tmp_path / "plugin.py").write_text("import os\n\n")
    assert quoted(tmp_path, culprit) is None


@pytest.mark.parametrize("culprit", ["../secret.py:1", "/etc/passwd:1", "link.py:1", "folder/../../secret.py:1"])
def test_nothing_outside_the_plugin_is_ever_quoted(tmp_path: Path, culprit: str) -> None:
    folder = tmp_path / "plugin"
    folder.mkdir()
    (tmp_path / "secret.py").write_text("KEY = 1\n")
    (folder / "link.py").symlink_to(tmp_path / "secret.py")
    assert quoted(folder, culprit) is None


def test_a_line_is_shown_cut_and_without_what_cannot_be_printed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = '\x1b[31m\xff'\n" + b"y" * 100_000)
    assert "\x1b" not in (quoted(tmp_path, "a.py:1") or "")
    assert len(quoted(tmp_path, "a.py:2") or "") < 500
