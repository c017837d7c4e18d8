"""Attacks that write outside the plugin's data directory."""

import os
import uuid
from pathlib import Path

from tests.attacks.attack import Attacks, Outcome, Run
from tests.attacks.stage import Stage
from tests.attacks.witness import canary, changed

ATTACKS = Attacks()
TEXT = "written by a plugin"

WITH_TEXT = (
    "plainly",
    "appending",
    "by_symbolic_link",
    "by_linked_folder",
    "by_hard_link",
    "renaming_over",
    "exchanging",
    "linking_there",
    "by_read_descriptor",
    "by_path_descriptor",
    "by_folder_descriptor",
    "by_root",
    "by_working_folder",
    "by_thread",
    "copying",
    "changing_attribute",
)
WITHOUT = ("truncating", "changing_mode", "changing_mode_by_descriptor", "changing_times", "removing", "moving_away")
NEW_NAMES = ("making_folder", "making_link", "making_pipe")


def _changes(tool: str, **arguments: str) -> Run:
    """Changes a file outside, that anyone may write to."""

    def run(stage: Stage) -> Outcome:
        path = canary(stage)
        is_changed = changed(path)
        answer = stage.call("writer", tool, path=str(path), **arguments)
        return Outcome(answer, is_changed())

    return run


def _makes(tool: str, **arguments: str) -> Run:
    """Makes a new name outside, where anyone may."""

    def run(stage: Stage) -> Outcome:
        path = stage.outside / f"new-{uuid.uuid4().hex}"
        answer = stage.call("writer", tool, path=str(path), **arguments)
        return Outcome(answer, os.path.lexists(path))

    return run


for _tool in WITH_TEXT:
    ATTACKS.add(f"write_{_tool}", _changes(_tool, text=TEXT))
for _tool in WITHOUT:
    ATTACKS.add(f"change_by_{_tool}", _changes(_tool))
for _tool in NEW_NAMES:
    ATTACKS.add(f"write_by_{_tool}", _makes(_tool))
ATTACKS.add("write_a_new_file", _makes("plainly", text=TEXT))
ATTACKS.add("write_by_renaming_there", _makes("renaming_over", text=TEXT))


@ATTACKS.attack()
def write_into_another_plugins_data(stage: Stage) -> Outcome:
    path = stage.data("bystander") / f"planted-{uuid.uuid4().hex}"
    answer = stage.call("writer", "plainly", path=str(path), text=TEXT)
    return Outcome(answer, path.exists())


@ATTACKS.attack()
def write_into_its_own_installed_files(stage: Stage) -> Outcome:
    stage.install("writer")
    path = stage.instance / "store_plugin" / f"{stage.name_of('writer')}-1.0.0" / f"planted_{uuid.uuid4().hex}.py"
    answer = stage.call("writer", "plainly", path=str(path), text=TEXT)
    return Outcome(answer, path.exists())


@ATTACKS.attack()
def write_into_its_own_running_files(stage: Stage) -> Outcome:
    stage.install("writer")
    path = stage.snapshots(f"{stage.name_of('writer')}-1.0.0")[0] / f"planted_{uuid.uuid4().hex}.py"
    answer = stage.call("writer", "plainly", path=str(path), text=TEXT)
    return Outcome(answer, path.exists())


@ATTACKS.attack()
def plant_a_plugin_in_the_store(stage: Stage) -> Outcome:
    stage.install("writer")
    path = stage.instance / "store_plugin" / f"planted-{uuid.uuid4().hex[:6]}"
    answer = stage.call("writer", "making_folder", path=str(path))
    succeeded = path.exists()
    if succeeded:
        path.rmdir()
    return Outcome(answer, succeeded)


@ATTACKS.attack()
def write_into_shared_memory(stage: Stage) -> Outcome:
    path = Path("/dev/shm", f"planted-{uuid.uuid4().hex}")
    try:
        answer = stage.call("writer", "plainly", path=str(path), text=TEXT)
        # One that was granted processes has shared memory of its own in that place, where nobody else sees it.
        return Outcome(answer, path.exists(), untold=answer.ok)
    finally:
        path.unlink(missing_ok=True)


@ATTACKS.attack()
def change_the_mode_of_the_index(stage: Stage) -> Outcome:
    path = stage.instance / "index.db"
    before = path.stat().st_mode
    answer = stage.call("writer", "changing_mode", path=str(path))
    succeeded = path.stat().st_mode != before
    path.chmod(before & 0o7777)
    return Outcome(answer, succeeded)


@ATTACKS.attack(ordinary="the settings of the kernel are root's")
def set_a_kernel_setting(stage: Stage) -> Outcome:
    path = Path("/proc/sys/vm/swappiness")
    answer = stage.call("writer", "plainly", path=str(path), text=path.read_text())  # to what it is
    return Outcome(answer, answer.ok)
