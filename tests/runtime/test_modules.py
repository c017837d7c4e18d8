"""Modules: what a plugin imports is its own, in the version that was loaded, for as long as it runs."""

import shutil
from pathlib import Path

from cadence.model import PluginRef
from tests.building import plugin_files
from tests.runtime.house import House, eventually, threads

TOOLS = """
    import os, time
    from pathlib import Path
    from cadence_sdk import tool
    from .helpers import WHO

    @tool
    def who() -> str:
        "From a module imported at the start."
        return WHO

    @tool
    def late() -> str:
        "From a module imported at the first call."
        from .late import WHO
        return WHO

    @tool
    def absolute() -> str:
        "From a module imported by the package's own name."
        import importlib
        return importlib.import_module(__package__ + ".late").WHO

    @tool
    def data() -> str:
        "From a file beside the code."
        return (Path(__file__).parent / "data.txt").read_text()

    @tool
    def late_after(path: str) -> list:
        "Both, once there is such a file."
        Path(path + ".began").touch()
        while not Path(path).exists():
            time.sleep(0.01)
        return [late.func(), data.func()]

    TOOLS = [who, late, absolute, data, late_after]
"""


def install(house: House, who: str, name: str = "demo_plugin", version: str = "1.0.0") -> None:
    files = {"helpers.py": f"WHO = {who!r}\n", "late.py": f"WHO = {who!r}\n", "data.txt": who}
    house.install_files(plugin_files(name, version, tools=TOOLS, files=files), name, version)


def everything(house: House, name: str = "demo_plugin") -> set[str]:
    return {house.call(tool, name) for tool in ("who", "late", "absolute", "data")}


def test_two_plugins_with_modules_of_equal_names_see_their_own(house: House) -> None:
    install(house, "one", "first_plugin")
    install(house, "two", "second_plugin")
    for _ in range(2):
        assert everything(house, "first_plugin") == {"one"}
        assert everything(house, "second_plugin") == {"two"}


def test_two_versions_with_modules_of_equal_names_see_their_own(house: House) -> None:
    """The old one is asked while the new one answers already."""
    install(house, "old", version="1.0.0")
    release = house.meeting_place() / "release"
    with threads(1) as start:
        asked = start(house.call, "late_after", path=str(release))
        eventually(Path(f"{release}.began").exists)
        install(house, "new", version="1.1.0")
        assert everything(house) == {"new"}
        release.touch()
        assert asked.result() == ["old", "old"]


def test_an_old_worker_sees_its_old_files_after_they_were_overwritten(house: House) -> None:
    install(house, "old")
    release = house.meeting_place() / "release"
    with threads(1) as start:
        asked = start(house.call, "late_after", path=str(release))
        eventually(Path(f"{release}.began").exists)
        install(house, "new")
        assert everything(house) == {"new"}
        release.touch()
        assert asked.result() == ["old", "old"]


def test_a_running_plugin_keeps_its_files_when_its_folder_is_gone(house: House) -> None:
    install(house, "one")
    shutil.rmtree(house.parts.store.folder(PluginRef("demo_plugin", "1.0.0")))
    assert everything(house) == {"one"}


def test_code_edited_in_the_store_answers_after_a_reload_and_not_before(house: House) -> None:
    install(house, "old")
    assert house.call("who") == "old"
    folder = house.parts.store.folder(PluginRef("demo_plugin", "1.0.0"))
    for name, text in {"helpers.py": "WHO = 'new'\n", "late.py": "WHO = 'new'\n", "data.txt": "new"}.items():
        # As editors do it: a new file takes the old one's name. Of equal length, within the same second.
        (folder / f"{name}.part").write_text(text)
        (folder / f"{name}.part").replace(folder / name)
    assert everything(house) == {"old"}
    report = house.running.reconciler.reload()
    assert report.failed == 0
    assert everything(house) == {"new"}


def test_the_folder_in_the_store_stays_as_it_was_installed(house: House) -> None:
    install(house, "one")
    everything(house)
    folder = house.parts.store.folder(PluginRef("demo_plugin", "1.0.0"))
    assert not list(folder.rglob("__pycache__"))
    assert not list(folder.rglob("*.pyc"))
