import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from cadence.dependencies.command import IndexOptions, Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.lock import Lock, Package
from cadence.dependencies.resolver import resolve
from cadence.errors import Cancelled, DependenciesFailed
from tests.dependencies.shelf import Shelf, SilentIndex, await_true, damage, is_over

MISSING = Lock((Package("alpha", "1.0", ("sha256:" + "0" * 64,), "alpha>=1"),))

INSTALLS = """
import sys, json
from pathlib import Path
from cadence.dependencies.command import IndexOptions, Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.lock import Lock, Package
given = json.load(sys.stdin)
places = tuple(map(Path, given["find_links"]))
options = IndexOptions(given["index"], places, given["no_index"], cache=Path(given["cache"]))
lock = Lock(tuple(Package(**one) for one in given["packages"]))
Environments(Path(given["directory"])).ensure(lock, Uv(idle_seconds=60, on_line=print, options=options))
"""


class NoUv(Uv):
    def run(self, *arguments: str, stdin: str) -> None:  # type: ignore[override]  # it must not be called
        raise AssertionError(arguments)


def left_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.glob("*") if entry.name != ".locks")


def refused(shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path) -> tuple[str, str | None, str]:
    """The fault with which the environment of ``alpha``, which needs ``evil``, is refused; nothing is left of it."""
    shelf.wheel("alpha", requires=["evil"])
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(resolve(["alpha>=1"], (), uv), uv)
    assert left_in(tmp_path / "environments") == []
    (fault,) = caught.value.faults
    assert fault.message in caught.value.details
    return fault.code, fault.culprit, fault.message


def start_install(directory: Path, lock: Lock, options: IndexOptions) -> subprocess.Popen[str]:
    """A process of its own that ensures the environment of a lock, and prints what uv says."""
    process = subprocess.Popen(
        [sys.executable, "-c", INSTALLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    packages = [{name: getattr(one, name) for name in one.__struct_fields__} for one in lock.packages]
    given = {"directory": str(directory), "packages": packages, "index": options.index, "no_index": options.no_index}
    places = {"find_links": [str(one) for one in options.find_links], "cache": str(options.cache)}
    process.stdin.write(json.dumps(given | places))
    process.stdin.close()
    process.stdin = None  # so that communicate() does not close it again
    return process


def test_a_lock_becomes_a_directory_that_can_be_imported_from(shelf: Shelf, uv: Uv, environments: Environments) -> None:
    shelf.wheel("alpha", "2.0")
    path = environments.ensure(resolve(["alpha"], (), uv), uv)
    assert path is not None
    program = f"import sys; sys.path.insert(0, {str(path)!r}); import alpha; print(alpha.version)"
    assert subprocess.check_output([sys.executable, "-I", "-c", program], text=True) == "2.0\n"


def test_nothing_but_the_packages_is_in_the_environment(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    path = environments.ensure(lock, uv)
    assert path is not None
    assert sorted(entry.name for entry in path.iterdir()) == ["alpha", "alpha-1.0.dist-info"]
    assert left_in(tmp_path / "environments") == [lock.key]


def test_bytecode_is_compiled_into_it_whatever_the_server_was_started_with(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "elsewhere"))
    shelf.wheel("alpha", files={"alpha/inner/more.py": "x = 1\n", "alpha/broken.py": "x = ("})
    path = environments.ensure(resolve(["alpha"], (), uv), uv)
    assert path is not None
    compiled = sorted(file.name.partition(".")[0] for file in path.rglob(f"*.{sys.implementation.cache_tag}.pyc"))
    assert compiled == ["__init__", "more"]


def test_an_environment_that_exists_costs_no_run_of_uv(shelf: Shelf, uv: Uv, environments: Environments) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    first = environments.ensure(lock, uv)
    assert environments.ensure(lock, NoUv(idle_seconds=1)) == first


def test_an_empty_lock_needs_no_environment(environments: Environments, tmp_path: Path) -> None:
    assert environments.ensure(Lock(), NoUv(idle_seconds=1)) is None
    assert not (tmp_path / "environments").exists()


def test_a_file_that_is_not_the_one_locked_is_refused(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(MISSING, uv)
    assert caught.value.details == (
        "Failed to install: alpha>=1: The file of alpha 1.0 is not the one that was resolved: its hash differs."
    )
    assert left_in(tmp_path / "environments") == []


def test_a_damaged_wheel_is_told_by_name(shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path) -> None:
    wheel = shelf.wheel("alpha")
    damage(wheel)
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(MISSING, uv)
    assert caught.value.faults[0].code in ("broken_wheel", "hash_mismatch")
    assert left_in(tmp_path / "environments") == []


def test_a_path_file_is_refused(shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path) -> None:
    shelf.wheel("evil", files={"evil.pth": "import os\n"})
    code, culprit, message = refused(shelf, uv, environments, tmp_path)
    assert (code, culprit) == ("startup_file", "alpha>=1")
    assert message == "evil brings the file evil.pth, which would change how Python starts."


def test_a_path_file_from_the_data_folder_of_a_wheel_is_refused(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("evil", files={"evil-1.0.data/purelib/hidden.pth": "import os\n"})
    assert refused(shelf, uv, environments, tmp_path)[0] == "startup_file"


@pytest.mark.parametrize("module", ["json/__init__.py", "json.py", "json.abi3.so", "asyncio/x.py"])
def test_a_package_that_hides_the_standard_library_is_refused(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, module: str
) -> None:
    shelf.wheel("evil", files={module: "x = 1\n"})
    code, culprit, message = refused(shelf, uv, environments, tmp_path)
    assert (code, culprit) == ("shadows_standard_library", "alpha>=1")
    assert message.startswith("evil brings a module ")


@pytest.mark.parametrize("module", ["cadence_sdk", "pydantic", "langchain_core", "yaml"])
def test_a_package_that_hides_what_the_host_provides_is_refused(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, module: str
) -> None:
    shelf.wheel("evil", files={f"{module}/__init__.py": ""})
    code, culprit, message = refused(shelf, uv, environments, tmp_path)
    assert (code, culprit) == ("shadows_host", "alpha>=1")
    assert module in message


@pytest.mark.parametrize("module", ["sitecustomize", "usercustomize"])
def test_a_module_that_runs_at_start_up_is_refused(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, module: str
) -> None:
    shelf.wheel("evil", files={f"{module}.py": ""})
    assert refused(shelf, uv, environments, tmp_path)[0] == "startup_file"


def test_a_wheel_cannot_write_outside_its_environment(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha", files={"../../slipped.txt": "", "alpha-1.0.data/data/../../../slipped.txt": ""})
    try:
        environments.ensure(resolve(["alpha"], (), uv), uv)
    except DependenciesFailed:
        assert left_in(tmp_path / "environments") == []
    assert list(tmp_path.rglob("slipped.txt")) == []


def test_a_cancelled_install_leaves_nothing(silent: SilentIndex, environments: Environments, tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    cancelled = threading.Event()
    uv = Uv(idle_seconds=60, cancelled=cancelled, options=silent.options)
    with ThreadPoolExecutor() as pool:
        install = pool.submit(environments.ensure, MISSING, uv)
        silent.await_reader()
        assert left_in(tmp_path / "environments") != []
        cancelled.set()
        with pytest.raises(Cancelled):
            install.result()
    assert left_in(tmp_path / "environments") == []
    assert set(psutil.Process().children()) <= before


def test_an_install_that_makes_no_progress_is_ended_and_leaves_nothing(
    silent: SilentIndex, environments: Environments, tmp_path: Path
) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(MISSING, Uv(idle_seconds=0.5, options=silent.options))
    assert caught.value.details == (
        "Failed to install: alpha>=1: The installer made no progress for 0.5 seconds and was ended."
    )
    assert left_in(tmp_path / "environments") == []
    assert set(psutil.Process().children()) <= before


def test_threads_that_want_the_same_environment_install_it_once(
    shelf: Shelf, uv: Uv, environments: Environments
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    lines: list[str] = []
    together = threading.Barrier(4)

    def ensure() -> Path | None:
        together.wait()
        return environments.ensure(lock, Uv(idle_seconds=60, on_line=lines.append, options=shelf.options))

    with ThreadPoolExecutor(4) as pool:
        paths = [one.result() for one in [pool.submit(ensure) for _ in range(4)]]
    assert len(set(paths)) == 1
    assert sum("Installed" in line for line in lines) == 1


def test_processes_that_want_the_same_environment_install_it_once(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    processes = [start_install(tmp_path / "environments", lock, shelf.options) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert "".join(said).count("Installed") == 1


def test_waiting_for_another_install_can_be_cancelled(silent: SilentIndex, environments: Environments) -> None:
    first, second = threading.Event(), threading.Event()
    with ThreadPoolExecutor() as pool:
        holder = pool.submit(environments.ensure, MISSING, Uv(idle_seconds=60, cancelled=first, options=silent.options))
        silent.await_reader()
        waiter = pool.submit(environments.ensure, MISSING, NoUv(idle_seconds=60, cancelled=second))
        second.set()
        with pytest.raises(Cancelled):
            waiter.result()
        assert not holder.done()
        first.set()
        with pytest.raises(Cancelled):
            holder.result()


def test_a_server_that_is_killed_takes_uv_with_it_and_what_it_left_does_not_count(
    shelf: Shelf, uv: Uv, silent: SilentIndex, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("alpha")
    lock = resolve(["alpha"], (), uv)
    # Another cache than the one that has the file by now.
    options = IndexOptions(index=silent.options.index, cache=tmp_path / "empty")
    server = start_install(tmp_path / "environments", lock, options)
    silent.await_reader()
    children = psutil.Process(server.pid).children(recursive=True)
    assert children != []
    server.kill()
    server.communicate()
    await_true(lambda: all(is_over(child.pid) for child in children))
    (leftover,) = left_in(tmp_path / "environments")
    assert leftover != lock.key
    path = environments.ensure(lock, uv)
    assert path is not None
    assert left_in(tmp_path / "environments") == [lock.key]


def test_recovery_removes_what_the_dead_left_and_nothing_that_is_in_work(
    silent: SilentIndex, environments: Environments, tmp_path: Path
) -> None:
    cancelled = threading.Event()
    with ThreadPoolExecutor() as pool:
        install = pool.submit(
            environments.ensure, MISSING, Uv(idle_seconds=60, cancelled=cancelled, options=silent.options)
        )
        silent.await_reader()
        dead = tmp_path / "environments" / f".{'0' * 32}-abc"
        dead.mkdir()
        environments.recover()
        (left,) = left_in(tmp_path / "environments")
        cancelled.set()
        with pytest.raises(Cancelled):
            install.result()
    assert left.startswith(f".{MISSING.key}-")
