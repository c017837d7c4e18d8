"""``flask plugins dev`` as an author has it in a terminal: a process, its words, and its end."""

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.building import plugin_files, write_folder
from tests.cli.conftest import Run
from tests.processes import is_over
from tests.server.process import COMMAND, ROOT, await_true, environment

TWO_TOOLS = """
    from cadence_sdk import tool

    print("imported\\x1b[2J")

    @tool
    def add(a: int, b: int) -> int:
        "Add two numbers, and one."
        return a + b + 1

    @tool
    def double(a: int) -> int:
        "Twice."
        return a * 2

    TOOLS = [add, double]
"""


class Author:
    """One ``flask plugins dev`` in a session of its own, as a terminal gives it, and what it has printed."""

    def __init__(self, instance: Path, folder: Path, *options: str, terminal: int | None = None) -> None:
        self._log = instance.parent / "dev.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "plugins", "dev", str(folder), *options],
                cwd=ROOT,
                env=environment(instance, PYTHONUNBUFFERED="1"),
                stdin=subprocess.DEVNULL,
                stdout=log if terminal is None else terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def await_words(self, words: str) -> None:
        def said() -> bool:
            assert self.process.poll() is None, self.output
            return words in self.output

        await_true(said, f"{words!r} in its output")

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """Press Ctrl-C: every process of the terminal gets it. Gives the exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(20)


@contextmanager
def authoring(instance: Path, folder: Path, *options: str) -> Iterator[Author]:
    author = Author(instance, folder, *options)
    family: list[psutil.Process] = []
    try:
        yield author
        if author.process.poll() is None:
            family = psutil.Process(author.process.pid).children(recursive=True)
    finally:
        author.process.kill()
        author.process.wait()
        for process in family:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "demo_plugin", plugin_files())


def save(file: Path, text: str) -> None:
    file.with_suffix(".saving").write_text(text)
    file.with_suffix(".saving").replace(file)


def test_each_save_is_told_and_ctrl_c_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    instance = tmp_path / "instance"
    with authoring(instance, folder, "--call", "add", '{"a": 2, "b": 3}') as author:
        author.await_words("loaded demo_plugin-1.0.0 in ")
        author.await_words("add(a, b)  Add two numbers.")
        author.await_words("add = 5 ")
        save(folder / "tools.py", plugin_files(tools=TWO_TOOLS)["tools.py"])
        author.await_words("add = 6 ")
        author.await_words("+ double")
        author.await_words("~ add")
        author.await_words("| imported\\x1b[2J")
        save(folder / "tools.py", "x = 1\ndef broken(:\n")
        author.await_words("tools.py:2: syntax error")
        author.await_words("The version before, 1.0.0, goes on answering.")
        family = psutil.Process(author.process.pid).children(recursive=True)
        assert family
        assert author.interrupt() == 0
        await_true(lambda: all(map(is_over, family)), "the end of its processes")
        assert author.output.rstrip().endswith("Ended. Nothing of it is left.")
        assert "\x1b" not in author.output
        assert "Traceback" not in author.output
    assert not list((instance / "run").iterdir())
    assert not list((instance / "owners").iterdir())
    assert not list((instance / "store_plugin").iterdir())
    assert not (instance / "data").exists()


def test_a_polite_end_while_it_loads_leaves_nothing_either(tmp_path: Path, folder: Path) -> None:
    instance = tmp_path / "instance"
    save(folder / "tools.py", "import time\nprint('sleeping', flush=True)\ntime.sleep(3600)\n")
    with authoring(instance, folder) as author:
        author.await_words("| sleeping")
        assert author.interrupt(signal.SIGTERM) == 0
    assert not list((instance / "run").iterdir())


def test_on_a_terminal_faults_are_red(tmp_path: Path, folder: Path) -> None:
    save(folder / "tools.py", "def broken(:\n")
    ours, theirs = pty.openpty()
    author = Author(tmp_path / "instance", folder, terminal=theirs)
    os.close(theirs)
    try:
        shown = b""
        while b"syntax error" not in shown:
            shown += os.read(ours, 4096)
        assert b"\x1b[31mtools.py:1: syntax error" in shown
        assert author.interrupt() == 0
    finally:
        author.process.kill()
        author.process.wait()
        os.close(ours)


def test_a_folder_that_is_no_plugins_is_refused_in_words(run: Run, tmp_path: Path) -> None:
    result = run("dev", write_folder(tmp_path / "notes", {"notes.txt": "x"}))
    assert result.exit_code == 1
    assert "is not a plugin's folder: it has no __init__.py" in result.output


def test_a_folder_that_is_not_there_is_refused_in_words(run: Run, tmp_path: Path) -> None:
    result = run("dev", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "does not exist" in result.output


@pytest.mark.parametrize("arguments", ["[]", "{", "", "[" * 100_000])
def test_arguments_that_are_no_json_object_are_refused_before_anything_starts(
    run: Run, folder: Path, arguments: str
) -> None:
    result = run("dev", folder, "--call", "add", arguments)
    assert result.exit_code == 2
    assert "must be a JSON object" in result.output


def test_a_folder_that_vanishes_ends_the_command_in_words(tmp_path: Path, folder: Path) -> None:
    with authoring(tmp_path / "instance", folder) as author:
        author.await_words("loaded demo_plugin-1.0.0 in ")
        folder.rename(tmp_path / "elsewhere")
        assert author.process.wait(20) == 1
        assert f"There is no folder {folder}" in author.output
        assert "Traceback" not in author.output
