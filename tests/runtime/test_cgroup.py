"""Control groups: found where the host lets us make them, bound what is in them, and leave nothing."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence.model import Limits
from cadence.runtime import cgroup, cgroup_places
from cadence.runtime.cgroup import BASE_MEMORY_BYTES, Cgroups
from cadence.runtime.cgroup_places import Place, Places, find_places
from cadence.runtime.zygote import Zygote
from tests.runtime.house import House, eventually, with_ping

MIB = 1 << 20
CONTROLLERS = ("memory", "pids", "cpu")


@pytest.fixture
def groups() -> Iterator[Cgroups]:
    """Those of this host."""
    groups = Cgroups.open()
    if not groups.layer.active:
        groups.close()
        pytest.skip(f"no cgroups here: {groups.layer.reason}")
    yield groups
    folders = [Path(folder) for folder in groups.folders]
    groups.close()
    assert not any(folder.exists() for folder in folders)


def member(groups: Cgroups, code: str) -> subprocess.Popen[str]:
    """A process that enters a group, then waits for a line, then runs the code."""
    program = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from cadence_sdk._runtime.membership import enter_groups
        error = enter_groups({groups.folders!r})
        print(error, flush=True)
        sys.stdin.readline()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program) + textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "None\n"
    return process


def go_on(process: subprocess.Popen[str]) -> str:
    """Let it run its code; what it printed by its end."""
    return process.communicate("\n", timeout=60)[0]


# On this host


def test_a_process_that_enters_is_in_the_group_named_for_it(groups: Cgroups) -> None:
    process = member(groups, "")
    group = groups.group(str(process.pid))
    assert group.processes() == [process.pid]
    assert all((Path(folder) / str(process.pid)).is_dir() for folder in groups.folders)
    go_on(process)
    group.remove()
    assert not any((Path(folder) / str(process.pid)).exists() for folder in groups.folders)


def test_memory_beyond_the_limit_ends_the_process_and_is_counted(groups: Cgroups) -> None:
    process = member(groups, "import mmap; m = mmap.mmap(-1, 1 << 28); m.write(bytes(1 << 28))")
    group = groups.group(str(process.pid))
    group.limit(Limits(memory_mb=16))
    assert group.memory_kills() == 0
    go_on(process)
    assert process.returncode == -signal.SIGKILL
    assert group.memory_kills() == 1


def test_memory_within_the_limit_is_had(groups: Cgroups) -> None:
    process = member(groups, "m = bytearray(8 << 20); print(len(m))")
    groups.group(str(process.pid)).limit(Limits(memory_mb=16))
    assert go_on(process) == f"{8 * MIB}\n"
    assert process.returncode == 0


def test_processes_and_threads_beyond_the_limit_are_refused(groups: Cgroups) -> None:
    code = """
        import threading
        stop, count = threading.Event(), 0
        try:
            for count in range(100):
                threading.Thread(target=stop.wait).start()
        except RuntimeError:
            print(count)
        stop.set()
    """
    process = member(groups, code)
    groups.group(str(process.pid)).limit(Limits(threads=10, processes=2))
    assert go_on(process) == f"{10 + 2 + cgroup.BASE_TASKS - 1}\n"


def test_a_group_that_is_limited_before_its_process_enters_takes_it(groups: Cgroups) -> None:
    for folder in groups.folders:
        (Path(folder) / "early").mkdir()
    groups.group("early").limit(Limits(memory_mb=16))
    groups.group("late").limit(Limits(memory_mb=16))
    assert all((Path(folder) / "late").is_dir() for folder in groups.folders)


def test_removing_a_group_ends_what_is_left_in_it(groups: Cgroups) -> None:
    process = member(groups, "import time; time.sleep(1000)")
    groups.group(str(process.pid)).remove()
    assert process.wait(60) == -signal.SIGKILL
    process.communicate()


def test_groups_of_a_server_that_died_are_removed_by_the_next_and_those_of_the_living_are_not(groups: Cgroups) -> None:
    program = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from cadence.model import Limits
        from cadence.runtime.cgroup import Cgroups
        groups = Cgroups.open()
        groups.group("1").limit(Limits())
        print(*groups.folders, sep="\\n", flush=True)
        os.kill(os.getpid(), 9)
    """
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=60
    )
    left = [Path(folder) for folder in died.stdout.split()]
    assert len(left) == len(groups.folders)
    Cgroups.open().close()
    assert not any(folder.exists() for folder in left)
    assert all(Path(folder).is_dir() for folder in groups.folders)


def test_closing_twice_is_closing_once() -> None:
    groups = Cgroups.open()
    groups.close()
    groups.close()


def test_a_worker_is_in_a_group_with_its_limits_before_its_plugin_is_loaded(house: House, zygote: Zygote) -> None:
    if not zygote.groups.layer.active:
        pytest.skip(f"no cgroups here: {zygote.groups.layer.reason}")
    body = """
        GROUPS = open("/proc/self/cgroup").read()

        @tool
        def groups() -> str:
            return GROUPS
    """
    house.install(
        with_ping(body.replace("def groups() -> str:", 'def groups() -> str:\n            "Its groups."'), "groups")
    )
    seen = house.call("groups")
    parents = {Path(folder).name for folder in zygote.groups.folders}
    assert all(parent in seen for parent in parents)


def test_the_group_of_a_worker_goes_with_it(lone: House) -> None:
    groups = lone.running.zygote.groups
    if not groups.layer.active:
        pytest.skip(f"no cgroups here: {groups.layer.reason}")
    lone.install(with_ping(""))
    folders = [Path(folder) for folder in groups.folders]

    def names() -> set[str]:
        return {path.name for folder in folders for path in folder.iterdir() if path.is_dir()}

    eventually(lambda: len(names()) == 2)  # the plugin's, and that of the one forked ahead
    (gone,) = {name for name in names() if lone.pid() in groups.group(name).processes()}
    os.kill(lone.pid() or 0, signal.SIGKILL)
    eventually(lambda: gone not in names())
    lone.parts.close()
    assert not any(folder.exists() for folder in folders)


# Version 2, and hosts of other kinds


class FakeHost:
    """The files of a host's cgroups in a folder: what is written can be read, nothing else happens."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.proc.mkdir()
        self.tree = folder / "cgroup"
        self.mounts: list[str] = []

    def group(self, path: str, controllers: str = "", *, enabled: str = "") -> Path:
        """A group of version 2 that has been given some controllers."""
        group = self.tree / path
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.controllers").write_text(controllers + "\n")
        (group / "cgroup.subtree_control").write_text(enabled + "\n")
        return group

    def own(self, *lines: str, root: str = "/", mounts: tuple[str, ...] = ()) -> Places:
        """What is found when this process is where the lines of ``/proc/self/cgroup`` say."""
        unified = f"30 20 0:26 {root} {self.tree} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
        (self.proc / "mountinfo").write_text("\n".join(["1 0 8:1 / / rw - ext4 /dev/sda rw", *(mounts or [unified])]))
        (self.proc / "cgroup").write_text("\n".join(lines) + "\n")
        return find_places(self.proc)


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def test_the_root_of_version_2_gives_every_controller(host: FakeHost) -> None:
    root = host.group("", "cpuset cpu io memory pids")
    places = host.own("0::/")
    assert places == Places((Place(root, frozenset(CONTROLLERS), unified=True),))


def test_a_group_whose_parent_was_delegated_gives_every_controller(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = host.group("user.slice/cadence.service", "cpu memory pids", enabled="cpu memory pids")
    own = host.group("user.slice/cadence.service/server", "cpu memory pids")
    monkeypatch.setattr(cgroup_places, "_is_delegated", lambda folder: folder == unit)
    refuse_writing(monkeypatch, own, 16)
    places = host.own("0::/user.slice/cadence.service/server")
    assert places.found == (Place(unit, frozenset(CONTROLLERS), unified=True),)


def test_a_parent_that_was_not_delegated_is_left_alone(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = host.group("system.slice", "cpu memory pids", enabled="memory")
    own = host.group("system.slice/cadence.service", "cpu memory pids")
    refuse_writing(monkeypatch, own, 16)
    places = host.own("0::/system.slice/cadence.service")
    assert places.found == ()
    assert (parent / "cgroup.subtree_control").read_text() == "memory\n"
    assert set(places.reasons) == set(CONTROLLERS)
    assert all("/system.slice/cadence.service, holds processes itself" in why for why in places.reasons.values())
    assert all("Delegate=yes and DelegateSubgroup=" in why for why in places.reasons.values())


def test_a_group_of_another_user_is_told_as_such(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_writing(monkeypatch, host.group("user.slice", "cpu memory pids"), 13)
    places = host.own("0::/user.slice")
    assert places.found == ()
    assert all("not delegated to its user" in why for why in places.reasons.values())


def test_a_controller_that_was_not_given_is_named(host: FakeHost) -> None:
    host.group("", "memory pids")
    places = host.own("0::/")
    assert places.found[0].controllers == {"memory", "pids"}
    assert places.reasons == {"cpu": "the cgroup of this process, /, was not given this controller"}


def test_a_container_that_shows_only_its_own_part_of_the_tree_is_understood(host: FakeHost) -> None:
    root = host.group("", "cpu memory pids")
    assert host.own("0::/docker/1", root="/docker/1").found[0].folder == root
    hidden = host.own("0::/docker/2", root="/docker/1")
    assert hidden.found == ()
    assert "not in the tree" in hidden.reasons["memory"]


def test_version_1_has_a_place_for_each_controller_below_the_own_group(host: FakeHost) -> None:
    mounts = tuple(
        f"3{n} 20 0:2{n} / {host.tree}/{name} rw - cgroup cgroup rw,{name}" for n, name in enumerate(CONTROLLERS)
    )
    places = host.own("4:memory:/a", "3:pids:/", "2:cpu:/b/c", "0::/", mounts=mounts)
    assert [place.folder for place in places.found] == [
        host.tree / "memory/a",
        host.tree / "pids",
        host.tree / "cpu/b/c",
    ]
    assert not any(place.unified for place in places.found)


def test_a_mount_point_with_a_blank_in_its_name_is_read(host: FakeHost) -> None:
    mounts = tuple(
        f"3{n} 20 0:2{n} / /a\\040b/{name} rw - cgroup cgroup rw,{name}" for n, name in enumerate(CONTROLLERS)
    )
    assert host.own(*(f"1:{name}:/" for name in CONTROLLERS), mounts=mounts).found[0].folder == Path("/a b/memory")


def test_a_host_without_cgroups_says_so(host: FakeHost) -> None:
    places = host.own("0::/", mounts=("1 0 8:1 / / rw - ext4 /dev/sda rw",))
    groups = Cgroups.open(places)
    assert places.found == ()
    assert not groups.layer.active
    assert "memory: no tree of cgroups is mounted here" in (groups.layer.reason or "")
    assert (groups.bounds_memory, groups.bounds_cpu, groups.folders) == (False, False, ())
    group = groups.group("1")
    group.limit(Limits())
    assert (group.memory_kills(), group.processes(), group.bounds_memory) == (0, [], False)
    group.remove()
    groups.close()


def test_a_folder_where_no_group_can_be_made_is_told(tmp_path: Path) -> None:
    groups = Cgroups.open(Places((Place(tmp_path / "gone", frozenset({"cpu"}), unified=False),)))
    assert f"cpu: no group can be made in {tmp_path}/gone: No such file or directory" in (groups.layer.reason or "")
    groups.close()


def test_the_limits_of_version_2_are_written_as_the_kernel_has_them(tmp_path: Path) -> None:
    files = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max", "memory.events")
    folder = tmp_path / "7"
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    place = Place(tmp_path, frozenset(CONTROLLERS), unified=True)
    group = cgroup.Group(((place, folder),))
    group.limit(Limits(memory_mb=100, threads=10, processes=3, cpu_percent=50))
    assert {name: (folder / name).read_text() for name in files[:-1]} == {
        "memory.max": str(100 * MIB + BASE_MEMORY_BYTES),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": str(10 + 3 + cgroup.BASE_TASKS),
        "cpu.max": "50000 100000",
    }
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 1\n")
    assert group.memory_kills() == 1


def test_a_kernel_that_does_not_count_swap_does_not_keep_the_other_limits_from_being_set(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").touch()
    cgroup.Group(((Place(tmp_path, frozenset({"memory"}), unified=False), folder),)).limit(Limits(memory_mb=1))
    assert (folder / "memory.limit_in_bytes").read_text() == str(MIB + BASE_MEMORY_BYTES)


def test_a_limit_that_the_kernel_does_not_take_is_an_error(tmp_path: Path) -> None:
    group = cgroup.Group(((Place(tmp_path, frozenset({"pids"}), unified=True), tmp_path / "7"),))
    with pytest.raises(FileNotFoundError):
        group.limit(Limits())


def refuse_writing(monkeypatch: pytest.MonkeyPatch, group: Path, number: int) -> None:
    """Have the kernel refuse to switch controllers on for what is below a group."""
    write = cgroup_places.write

    def refusing(path: Path, value: str) -> None:
        if path.parent == group:
            raise OSError(number, os.strerror(number))
        write(path, value)

    monkeypatch.setattr(cgroup_places, "write", refusing)
