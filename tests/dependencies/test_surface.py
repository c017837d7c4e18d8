"""What wheels may put into an environment: hostile ones, made on the spot and installed by uv itself."""

import os
import socket
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from cadence.config import MIB
from cadence.dependencies import tree
from cadence.dependencies.command import Output, Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.lock import Lock, Package
from cadence.dependencies.resolver import resolve
from cadence.dependencies.surface import refusals
from cadence.errors import DependenciesFailed
from tests.dependencies.making import left_in, made
from tests.dependencies.shelf import Shelf

NAMESPACE = '__path__ = __import__("pkgutil").extend_path(__path__, __name__)\n'


def refused(shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path) -> tuple[str, str | None, str]:
    """The fault with which the environment of ``alpha``, which needs ``evil``, is refused; nothing is left of it."""
    shelf.wheel("alpha", requires=["evil"])
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(resolve(["alpha>=1"], (), uv), uv)
    assert left_in(tmp_path / "environments") == []
    (fault,) = caught.value.faults
    assert fault.message in caught.value.details
    return fault.code, fault.culprit, fault.message


def fault_of(packages: Path) -> tuple[str, str]:
    """The one fault of a folder as it stands."""
    (fault,) = refusals(packages, Lock((Package("alpha", "1.0", (), "alpha>=1"),)), {})
    assert fault.culprit == "alpha>=1"
    return fault.code, fault.message


def outside(tmp_path: Path, path: Path) -> list[str]:
    """What the folder of a test holds beside its environment, the wheels and uv's cache."""
    known = (path, tmp_path / "wheels", tmp_path / "cache", path.parent / ".locks")
    entries = (entry for entry in tmp_path.rglob("*") if entry.is_file() or entry.is_symlink())
    return sorted(str(entry) for entry in entries if not any(one in entry.parents for one in known))


@pytest.mark.parametrize("file", ["evil.pth", "evil-1.0.data/purelib/hidden.pth", ".pth"])
def test_a_path_file_is_left_out_and_the_log_says_so(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, file: str
) -> None:
    ran = tmp_path / "ran"
    shelf.wheel("evil", files={file: f"import pathlib; pathlib.Path({str(ran)!r}).touch()\n", "evil/kept.pth": ""})
    lines: list[str] = []
    talking = Uv(idle_seconds=60, on_line=lines.append, options=shelf.options)
    path = made(environments, resolve(["evil"], (), uv), talking)
    name = file.rpartition("/")[2]
    assert lines[-1] == f"evil brings {name}, which Python would run when it starts; it is left out."
    assert [entry.name for entry in path.rglob("*.pth")] == ["kept.pth"]
    site = f"import site; site.addsitedir({str(path)!r}); import evil"
    subprocess.run([sys.executable, "-I", "-c", site], check=True)
    assert not ran.exists()


def test_setuptools_can_be_installed(uv: Uv, environments: Environments) -> None:
    indexed = Uv(idle_seconds=120)
    path = made(environments, resolve(["setuptools>=70"], (), indexed), indexed)
    assert (path / "setuptools").is_dir()
    assert list(path.glob("*.pth")) == []
    program = f"import sys; sys.path.insert(0, {str(path)!r}); import setuptools; print(setuptools.__file__)"
    said = subprocess.check_output([sys.executable, "-I", "-S", "-c", program], text=True)
    assert said.startswith(str(path))


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


@pytest.mark.parametrize("module", ["pydantic", "langchain_core", "yaml"])
def test_an_isolated_environment_brings_its_own_of_what_the_host_has(
    shelf: Shelf, uv: Uv, environments: Environments, module: str
) -> None:
    shelf.wheel("evil", files={f"{module}/__init__.py": ""})
    lock = Lock(resolve(["evil"], (), uv).packages, ("alpha needs pydantic<2.",))
    assert (made(environments, lock, uv) / module).is_dir()


@pytest.mark.parametrize(("module", "code"), [("cadence_sdk", "shadows_host"), ("json", "shadows_standard_library")])
def test_an_isolated_environment_brings_neither_the_sdk_nor_the_standard_library(
    shelf: Shelf, uv: Uv, environments: Environments, module: str, code: str
) -> None:
    shelf.wheel("evil", files={f"{module}/__init__.py": ""})
    lock = Lock(resolve(["evil"], (), uv).packages, ("alpha needs pydantic<2.",))
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(lock, uv)
    assert [fault.code for fault in caught.value.faults] == [code]


@pytest.mark.parametrize(
    "file",
    [
        "../../slipped.txt",
        "alpha/../../../slipped.txt",
        "{tmp}/slipped.txt",
        "alpha-1.0.data/data/../../../../slipped.txt",
        "alpha-1.0.data/scripts/../../../../slipped.txt",
        "alpha-1.0.data/headers/../../../../slipped.txt",
        "alpha-1.0.data/../../../slipped.txt",
    ],
)
def test_no_file_of_a_wheel_lands_outside_its_environment(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, file: str
) -> None:
    shelf.wheel("alpha", files={file.format(tmp=tmp_path): ""})
    lock = resolve(["alpha"], (), uv)
    assert lock.key is not None
    try:
        made(environments, lock, uv)
    except DependenciesFailed:
        assert left_in(tmp_path / "environments") == []
    assert outside(tmp_path, environments.path(lock.key)) == []


@pytest.mark.parametrize("name", ["../../../escaped", "{tmp}/escaped", "../evil"])
def test_no_script_of_a_wheel_lands_outside_its_environment(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path, name: str
) -> None:
    script = f"[console_scripts]\n{name.format(tmp=tmp_path)} = evil:main\n"
    shelf.wheel("evil", files={"evil-1.0.dist-info/entry_points.txt": script})
    assert refused(shelf, uv, environments, tmp_path)[:2] == ("broken_wheel", "alpha>=1")
    assert outside(tmp_path, tmp_path / "environments") == []


def test_what_the_data_folders_of_a_wheel_hold_stays_inside(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    data = {f"alpha-1.0.data/{where}/{where}.txt": "" for where in ("scripts", "data", "headers", "platlib", "purelib")}
    shelf.wheel("alpha", files=data)
    path = made(environments, resolve(["alpha"], (), uv), uv)
    assert outside(tmp_path, path) == []
    assert {"data.txt", "platlib.txt", "purelib.txt"} <= {entry.name for entry in path.iterdir()}


def test_a_module_from_the_data_folder_of_a_wheel_is_seen(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("evil", files={"evil-1.0.data/data/json.py": ""})
    assert refused(shelf, uv, environments, tmp_path)[0] == "shadows_standard_library"


def test_links_and_pipes_in_a_wheel_become_plain_files(shelf: Shelf, uv: Uv, environments: Environments) -> None:
    wheel = shelf.wheel("alpha")
    with zipfile.ZipFile(wheel, "a") as archive:
        for name, mode in (("link", 0o120777), ("pipe", 0o010666), ("root", 0o104777)):
            entry = zipfile.ZipInfo(f"alpha/{name}")
            entry.create_system, entry.external_attr = 3, mode << 16
            archive.writestr(entry, "/etc/hostname")
    path = made(environments, resolve(["alpha"], (), uv), uv)
    for name in ("link", "pipe", "root"):
        found = (path / "alpha" / name).lstat().st_mode
        assert found & ~0o777 == 0o100000


@pytest.mark.parametrize("kind", ["link", "folder link", "dead link", "pipe", "socket"])
def test_what_is_neither_file_nor_folder_is_refused_and_not_read(tmp_path: Path, kind: str) -> None:
    packages = tmp_path / "packages"
    special = packages / "evil" / "special"
    special.parent.mkdir(parents=True)
    # It would be read if anything was, and the pipe would never answer.
    info = packages / "evil-1.0.dist-info"
    info.mkdir()
    os.mkfifo(info / "RECORD") if kind == "pipe" else (info / "RECORD").write_text("evil/special,,\n")
    (tmp_path / "secret").mkdir()
    match kind:
        case "link":
            special.symlink_to("/etc/hostname")
        case "folder link":
            special.symlink_to(tmp_path / "secret")
        case "dead link":
            special.symlink_to("nowhere")
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                here = Path.cwd()
                os.chdir(special.parent)  # the path of a socket must be short
                try:
                    listening.bind(special.name)
                finally:
                    os.chdir(here)
    code, message = fault_of(packages)
    assert code == "special_file"
    where = "evil-1.0.dist-info/RECORD" if kind == "pipe" else "evil/special"
    assert message == f"A package brings {where}, which is a link or a device; only files and folders can be installed."


def test_folders_that_are_nested_without_end_are_refused_and_removed(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("evil", files={f"{'/'.join('a' * 1200)}/x.txt": ""})
    try:
        code, _, message = refused(shelf, uv, environments, tmp_path)
    finally:
        tree.remove(tmp_path / "cache")  # pytest could not
    assert code == "folder_too_deep"
    assert "64 folders" in message


def test_a_name_that_would_draw_on_a_terminal_is_shown_without_that(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "a\x1b[2K\n\udcff\u202eb").symlink_to("x")
    _, message = fault_of(tmp_path / "packages")
    assert message.isprintable()


def test_two_packages_that_bring_different_files_of_one_name_are_refused(
    shelf: Shelf, uv: Uv, environments: Environments, tmp_path: Path
) -> None:
    shelf.wheel("beta", files={"beta/core.py": "x = 1\n"})
    shelf.wheel("evil", files={"beta/core.py": "x = 2\n", "beta/__init__.py": "x = 3\n"})
    with pytest.raises(DependenciesFailed) as caught:
        environments.ensure(resolve(["beta>=1", "evil"], (), uv), uv)
    assert caught.value.details == (
        "Failed to install: beta>=1, evil: "
        "beta and evil bring different files beta/__init__.py, of which one would overwrite the other."
    )
    assert [fault.code for fault in caught.value.faults] == ["overwrites"]
    assert left_in(tmp_path / "environments") == []


def test_a_record_that_lies_about_a_file_of_two_packages_is_not_believed(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    for name in ("alpha", "evil"):
        (packages / f"{name}-1.0.dist-info").mkdir(parents=True)
        (packages / f"{name}-1.0.dist-info" / "RECORD").write_text("alpha/core.py,sha256=same,1\n")
    (packages / "alpha").mkdir()
    (packages / "alpha" / "core.py").write_text("x = 2\n")
    (fault,) = refusals(packages, Lock((Package("alpha", "1.0", (), "alpha>=1"),)), {})
    assert fault.code == "overwrites"


@pytest.mark.parametrize("file", ["space/__init__.py", "LICENSE", "tests/__init__.py", "docs/conf.py"])
def test_files_of_several_packages_that_nobody_misses_are_no_reason(
    shelf: Shelf, uv: Uv, environments: Environments, file: str
) -> None:
    same = file.startswith("space")
    for name in ("alpha", "beta"):
        shelf.wheel(name, files={file: NAMESPACE if same else name, f"space/{name}.py": ""})
    assert (made(environments, resolve(["alpha", "beta"], (), uv), uv) / file).is_file()


@pytest.mark.parametrize("record", [b"\xff\x00,,\n", b'"' * 100, b'"open', b",,,,", b"a" * 200_000])
def test_a_record_that_is_no_record_harms_nobody(tmp_path: Path, record: bytes) -> None:
    packages = tmp_path / "packages"
    (packages / "evil-1.0.dist-info").mkdir(parents=True)
    (packages / "evil-1.0.dist-info" / "RECORD").write_bytes(record)
    (packages / "json.py").write_text("")
    assert fault_of(packages)[0] == "shadows_standard_library"


def test_a_record_of_countless_lines_takes_no_room_in_the_server(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    (packages / "evil-1.0.dist-info").mkdir(parents=True)
    (packages / "json.py").write_text("")
    with (packages / "evil-1.0.dist-info" / "RECORD").open("w") as record:
        for number in range(20_000):
            record.write(f"nowhere/{number}.py,sha256={number},1\njson.py,sha256={number},1\n")
        record.write(f"json.py,{'x' * 60_000},1\n")
    tracemalloc.start()
    try:
        found = fault_of(packages)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found[0] == "shadows_standard_library"
    assert "evil" in found[1]
    assert most < MIB


class Strange(Uv):
    """Leaves what uv would not."""

    def run(self, *arguments: str, stdin: str, packages: int = 0) -> Output:
        target = next(Path(one.removeprefix("--target=")) for one in arguments if one.startswith("--target="))
        target.mkdir()
        (target / "passwords").symlink_to("/etc/passwd")
        return Output(0, "", "")


def test_an_environment_with_a_link_is_never_made(environments: Environments, tmp_path: Path) -> None:
    with pytest.raises(DependenciesFailed):
        environments.ensure(Lock((Package("alpha", "1.0", (), "alpha"),)), Strange(idle_seconds=1))
    assert left_in(tmp_path / "environments") == []
    assert Path("/etc/passwd").exists()
