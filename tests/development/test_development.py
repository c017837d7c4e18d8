"""A plugin in its author's hands: each save is loaded, a broken one is told, and nothing else is touched."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Queue

import psutil
import pytest

from cadence.config import Settings
from cadence.development import Broken, Development, Ended, Happening, Loaded, ToolChanges, developing
from cadence.errors import CadenceError, NotFound, ValidationFailed
from cadence.model import Granted, Grants
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from cadence.storage.owners import is_alive
from tests.building import plugin_files, write_folder
from tests.dependencies.shelf import Shelf
from tests.development.conftest import Open
from tests.runtime.house import PATIENCE_SECONDS, House, eventually

ADDING_ONE = """
    from cadence_sdk import tool

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

SEEING = """
    import os
    from cadence_sdk import tool

    @tool
    def data() -> list[str]:
        "What lies in its data folder."
        return sorted(os.listdir(os.environ["CADENCE_PLUGIN_DATA"]))

    @tool
    def write(name: str) -> None:
        "Leave a file in its data folder."
        open(os.path.join(os.environ["CADENCE_PLUGIN_DATA"], name), "w").close()

    @tool
    def secret() -> str | None:
        "What it was granted."
        return os.environ.get("SECRET")

    @tool
    def end() -> None:
        "End the process."
        os._exit(3)

    @tool
    def shout(words: str) -> None:
        "Write a line."
        print(words, flush=True)

    TOOLS = [data, write, secret, end, shout]
"""


def save(folder: Path, path: str, text: str) -> None:
    """Save as editors do: a temporary file beside it takes its place."""
    draft = folder / f".{path}.saving"
    draft.write_text(text)
    draft.replace(folder / path)


def save_tools(folder: Path, tools: str) -> None:
    save(folder, "tools.py", plugin_files(tools=tools)["tools.py"])


def loaded(happening: object) -> Loaded:
    assert isinstance(happening, Loaded), happening
    return happening


def broken(happening: object) -> Broken:
    assert isinstance(happening, Broken), happening
    return happening


class Watched:
    """What a development tells while it watches, in another thread."""

    def __init__(self, development: Development) -> None:
        self._development = development
        self._told: Queue[Happening | CadenceError | None] = Queue()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def next(self) -> Happening | CadenceError | None:
        return self._told.get(timeout=PATIENCE_SECONDS)

    def until(self, wanted: Callable[[object], bool]) -> object:
        """The first happening that is wanted: one save may be seen as two."""
        while not wanted(told := self.next()):
            assert told is not None
        return told

    def end(self) -> None:
        self._development.stop()
        self._thread.join()

    def _watch(self) -> None:
        try:
            for happening in self._development.happenings():
                self._told.put(happening)
        except CadenceError as error:
            self._told.put(error)
        self._told.put(None)


@contextmanager
def watched(development: Development) -> Iterator[Watched]:
    watching = Watched(development)
    try:
        yield watching
    finally:
        watching.end()


def test_a_folder_is_loaded_and_its_tools_answer(development: Development) -> None:
    first = loaded(development.load())
    assert (first.ref.slug, [tool.name for tool in first.tools]) == ("demo_plugin-1.0.0", ["add"])
    assert (first.again, first.changes) == (False, ToolChanges())
    assert development.call("add", {"a": 2, "b": 3}).result == 5


def test_what_a_save_changed_about_the_tools_is_told(development: Development, folder: Path) -> None:
    development.load()
    save_tools(folder, ADDING_ONE)
    second = loaded(development.load())
    assert (second.again, second.changes) == (True, ToolChanges(added=("double",), changed=("add",)))
    assert development.call("add", {"a": 2, "b": 3}).result == 6
    save_tools(folder, ADDING_ONE.replace("[add, double]", "[double]"))
    assert loaded(development.load()).changes == ToolChanges(removed=("add",))


def test_a_syntax_error_is_told_with_its_line_while_the_version_before_answers(
    development: Development, folder: Path
) -> None:
    development.load()
    before = (folder / "tools.py").read_text()
    save(folder, "tools.py", f"{before}\ndef broken(:\n")
    refused = broken(development.load())
    line = len(before.splitlines()) + 2
    assert [fault.culprit for fault in refused.faults] == [f"tools.py:{line}"]
    assert refused.answering == "1.0.0"
    assert development.call("add", {"a": 2, "b": 3}).result == 5
    save(folder, "tools.py", before)
    assert loaded(development.load()).changes == ToolChanges()


def test_an_exception_while_it_loads_is_told_with_its_line(development: Development, folder: Path) -> None:
    save(folder, "tools.py", "TOOLS = []\n\nraise RuntimeError('not today')\n")
    (fault,) = broken(development.load()).faults
    assert fault.culprit == "tools.py:3"
    assert "not today" in fault.message


def test_a_first_load_may_be_broken_and_the_next_save_mend_it(development: Development, folder: Path) -> None:
    before = (folder / "plugin.py").read_text()
    save(folder, "plugin.py", "class Broken(\n")
    refused = broken(development.load())
    assert refused.answering is None
    assert [str(fault.culprit).partition(":")[0] for fault in refused.faults] == ["plugin.py"]
    assert development.call("add", {}).error == "Nothing has loaded yet."
    save(folder, "plugin.py", before)
    assert not loaded(development.load()).again


def test_metadata_that_cannot_be_read_for_a_moment_do_not_change_the_name(
    development: Development, folder: Path
) -> None:
    development.load()
    save(folder, "plugin.py", "class Broken(\n")
    assert "name and version" not in str(broken(development.load()).faults)


def test_a_tool_that_raises_or_is_not_there_is_told_in_words(development: Development) -> None:
    development.load()
    assert "a" in (development.call("add", {"b": 3}).error or "")
    assert development.call("nothing", {}).error is not None


def test_a_process_that_ended_is_told_and_the_next_save_starts_it_again(development: Development, folder: Path) -> None:
    save_tools(folder, SEEING)
    with watched(development) as watching:
        loaded(watching.next())
        assert development.call("end", {}).error is not None
        save_tools(folder, SEEING.replace("exit(3)", "exit(4)"))
        ended = watching.next()
        assert isinstance(ended, Ended)
        assert "3" in ended.words
        loaded(watching.next())
        assert development.call("data", {}).result == []


def test_a_save_is_seen_and_loaded_by_itself(development: Development, folder: Path) -> None:
    with watched(development) as watching:
        assert not loaded(watching.next()).again
        save_tools(folder, ADDING_ONE)
        assert loaded(watching.next()).changes.added == ("double",)
        save(folder, "tools.py", "def broken(:\n")
        assert broken(watching.next()).faults[0].culprit == "tools.py:1"
        save_tools(folder, ADDING_ONE)
        assert loaded(watching.next()).again


def test_a_file_that_is_written_in_place_is_loaded_whole_in_the_end(development: Development, folder: Path) -> None:
    with watched(development) as watching:
        watching.next()
        (folder / "tools.py").write_text(plugin_files(tools=ADDING_ONE)["tools.py"])
        watching.until(lambda told: isinstance(told, Loaded) and len(told.tools) == 2)


def test_saves_in_quick_succession_are_one_load(development: Development, folder: Path) -> None:
    with watched(development) as watching:
        watching.next()
        text = (folder / "tools.py").read_text()
        for number in range(200):
            save(folder, "tools.py", f"{text}\n# {number}")
        save_tools(folder, ADDING_ONE)
        count = 1
        while len(loaded(watching.next()).tools) < 2:
            count += 1
        assert count < 50


def test_what_is_no_part_of_the_plugin_loads_nothing(development: Development, folder: Path) -> None:
    with watched(development) as watching:
        watching.next()
        write_folder(folder, {"__pycache__/x.pyc": "x", ".git/index": "x", "tools.py~": "x", ".tools.py.swp": "x"})
        save_tools(folder, ADDING_ONE)
        assert loaded(watching.next()).changes.added == ("double",)


def test_saves_are_seen_where_the_host_cannot_watch_a_folder_too(
    development: Development, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watches_no_more(*_: object, **__: object) -> Iterator[object]:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("cadence.development.watch", watches_no_more)
    with watched(development) as watching:
        watching.next()
        save_tools(folder, ADDING_ONE)
        assert loaded(watching.next()).changes.added == ("double",)


def test_a_folder_that_vanishes_ends_it_in_words(development: Development, folder: Path) -> None:
    with watched(development) as watching:
        watching.next()
        folder.rename(folder.with_name("elsewhere"))
        gone = watching.next()
        assert isinstance(gone, NotFound)
        assert str(folder) in gone.in_words


def test_it_can_be_stopped_in_the_middle_of_a_load(development: Development, folder: Path) -> None:
    save(folder, "tools.py", "import time\ntime.sleep(3600)\n")
    watching = Watched(development)
    eventually(lambda: development._running._launcher._workers)
    watching.end()
    assert watching.next() is None


def test_requirements_are_resolved_once_and_again_when_they_change(
    opened: Open, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path)
    shelf.wheel("leaf", "1.0.0")
    shelf.wheel("leaf", "2.0.0")
    for variable in ("PIP_FIND_LINKS", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(shelf.folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    tools = plugin_files(tools="import leaf\n" + plugin_files()["tools.py"])["tools.py"]
    write_folder(folder, plugin_files(dependencies=("leaf==1.0.0",)) | {"tools.py": tools})
    with opened() as development:
        assert loaded(development.load()).installed == ("leaf==1.0.0",)
        # Whatever has to be looked up again is not there any more.
        for wheel in shelf.folder.glob("leaf-1.0.0*"):
            wheel.unlink()
        save(folder, "tools.py", f"{tools}\n# saved")
        assert loaded(development.load()).installed == ("leaf==1.0.0",)
        save(folder, "plugin.py", plugin_files(dependencies=("leaf==2.0.0",))["plugin.py"])
        assert loaded(development.load()).installed == ("leaf==2.0.0",)
        save(folder, "plugin.py", plugin_files(dependencies=("leaf==3.0.0",))["plugin.py"])
        assert "leaf==3.0.0" in str(broken(development.load()).faults)


def test_it_has_the_grants_of_its_name_also_as_they_change(
    development: Development, folder: Path, grants: dict[str, Granted]
) -> None:
    save_tools(folder, SEEING)
    grants["demo_plugin"] = Granted(Grants(env={"SECRET": "one"}), 1)
    development.load()
    assert development.call("secret", {}).result == "one"
    grants["demo_plugin"] = Granted(Grants(env={"SECRET": "two"}), 2)
    development.load()
    assert development.call("secret", {}).result == "two"
    del grants["demo_plugin"]
    development.load()
    assert development.call("secret", {}).result is None


def test_an_installed_plugin_of_the_same_name_keeps_its_data_to_itself(
    settings: Settings, zygote: Zygote, folder: Path, opened: Open
) -> None:
    parts = Parts(settings, zygote)
    try:
        house = House(parts)
        house.install(SEEING)
        house.call("write", name="mine")
        save_tools(folder, SEEING)
        with opened() as development:
            development.load()
            assert development.call("data", {}).result == []
            development.call("write", {"name": "theirs"})
            assert development.call("data", {}).result == ["theirs"]
            development.load()
            assert development.call("data", {}).result == ["theirs"]
        assert house.call("data") == ["mine"]
    finally:
        parts.close()


def contents(root: Path) -> dict[str, bytes | None]:
    """Every file and folder with its bytes."""
    found = sorted(path for path in root.rglob("*"))
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in found}


def test_store_index_and_folder_are_byte_for_byte_what_they_were(
    settings: Settings, zygote: Zygote, folder: Path, opened: Open
) -> None:
    parts = Parts(settings, zygote)
    House(parts).install(SEEING)
    parts.close()
    before, source = contents(settings.instance), contents(folder)
    with opened() as development:
        development.load()
        save(folder, "tools.py", "def broken(:\n")
        development.load()
        (folder / "tools.py").write_bytes(source["tools.py"] or b"")
    assert contents(settings.instance) == before
    assert contents(folder) == source


def test_no_process_is_left(settings: Settings, folder: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with developing(settings, folder, lambda _: Granted()) as development:
        loaded(development.load())
        assert set(psutil.Process().children(recursive=True)) - before
    eventually(lambda: not set(psutil.Process().children(recursive=True)) - before)


def test_what_a_killed_one_leaves_lies_where_the_next_start_sweeps(settings: Settings, opened: Open) -> None:
    with opened() as development:
        development.load()
        (home,) = (settings.instance / "run").iterdir()
        assert is_alive(settings.instance, home.name)
    assert not is_alive(settings.instance, home.name)


def test_what_the_plugin_writes_is_given_line_by_line_and_once(development: Development, folder: Path) -> None:
    assert development.new_lines() == ()
    save_tools(folder, SEEING)
    development.load()
    heard: list[str] = []

    def hears(*words: str) -> bool:
        heard.extend(development.new_lines())
        return heard == list(words)

    development.call("shout", {"words": "one"})
    eventually(lambda: hears("one"))
    development.call("shout", {"words": "two"})
    development.call("shout", {"words": "two"})
    eventually(lambda: hears("one", "two", "two"))


def test_a_folder_of_something_else_is_refused_and_nothing_is_made(settings: Settings, tmp_path: Path) -> None:
    notes = write_folder(tmp_path / "notes", {"notes.txt": "x"})
    with pytest.raises(ValidationFailed, match="no __init__"), developing(settings, notes, lambda _: Granted()):
        pytest.fail("it was taken")
    assert not settings.instance.exists()


def test_a_server_in_safe_mode_runs_nothing_here_either(settings: Settings, zygote: Zygote, folder: Path) -> None:
    with developing(replace(settings, safe_mode=True), folder, lambda _: Granted(), zygote) as development:
        assert "safe mode" in str(broken(development.load()).faults)
