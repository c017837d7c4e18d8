"""The room that each package of an environment takes: real ones by uv, and folders that no honest wheel makes."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from cadence.dependencies import record, tree
from cadence.dependencies.command import Uv
from cadence.dependencies.environment import Environments
from cadence.dependencies.resolver import resolve
from cadence.dependencies.room import taken
from tests.dependencies.making import made
from tests.dependencies.shelf import Shelf

KIB = 1024


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """The folder of an environment, in which there is nothing yet."""
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


def put(packages: Path, path: str, size_bytes: int = 8 * KIB) -> Path:
    """A file that takes as much room as it has bytes."""
    file = packages / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(size_bytes))
    return file


def recorded(packages: Path, name: str, paths: Iterable[str | bytes], version: str = "1.0") -> Path:
    """The RECORD of a package, with these lines."""
    place = packages / f"{name}-{version}.dist-info" / "RECORD"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"".join((one.encode() if isinstance(one, str) else one) + b",,\n" for one in paths))
    return place


def rooms(packages: Path) -> dict[str, int]:
    found = taken(packages)
    assert found is not None
    return found.packages


def test_each_package_takes_the_room_of_its_files_and_of_what_was_compiled_of_them(
    shelf: Shelf, uv: Uv, environments: Environments
) -> None:
    shelf.wheel("alpha", files={"alpha/large.txt": "x" * 100_000, "alpha/more.py": "x = 1\n"}, requires=["beta-b"])
    shelf.wheel("beta_b", "2.0")
    path = made(environments, resolve(["alpha"], (), uv), uv)
    found = environments.room(path.name)
    assert found is not None
    assert found.size_bytes == tree.size_bytes(path)
    files = {entry.path: entry.size_bytes for entry in tree.walk(path) if entry.is_file}
    compiled = [one for one in files if one.startswith("alpha/__pycache__/more.")]
    assert compiled
    assert found.packages == {
        name: sum(size for one, size in files.items() if one.startswith(folders))
        for name, folders in {"alpha": ("alpha/", "alpha-"), "beta-b": ("beta_b/", "beta_b-")}.items()
    }
    (usage,) = environments.usage()
    assert usage.package_bytes == found.packages


def test_what_was_compiled_of_a_single_module_belongs_to_it(packages: Path) -> None:
    put(packages, "single.py", 4 * KIB)
    put(packages, f"__pycache__/single.{sys.implementation.cache_tag}.pyc", 16 * KIB)
    put(packages, "__pycache__/nobody.cpython-311.pyc", 64 * KIB)
    recorded(packages, "single", ["single.py"])
    assert rooms(packages) == {"single": 20 * KIB}


def test_what_a_record_says_of_places_elsewhere_and_of_sizes_is_nothing(packages: Path, tmp_path: Path) -> None:
    outside = put(tmp_path, "outside.bin", 512 * KIB)
    put(packages, "evil/own.py")
    lines = ["evil/own.py", "../outside.bin", str(outside), "evil/../../outside.bin", "evil/absent.py", "evil", ""]
    place = recorded(packages, "evil", lines)
    place.write_text(place.read_text().replace("evil/own.py,,", "evil/own.py,sha256=x,999999999999"))
    assert rooms(packages) == {"evil": 8 * KIB}


def test_no_link_is_followed(packages: Path, tmp_path: Path) -> None:
    put(packages, "alpha/own.py")
    put(tmp_path, "elsewhere/large.bin", 512 * KIB)
    (packages / "alpha" / "link.bin").symlink_to(tmp_path / "elsewhere/large.bin")
    (packages / "folder").symlink_to(tmp_path / "elsewhere")
    recorded(packages, "alpha", ["alpha/own.py", "alpha/link.bin", "folder/large.bin"])
    foreign = recorded(tmp_path / "elsewhere", "beta", ["alpha/own.py"])
    (packages / "beta-1.0.dist-info").symlink_to(foreign.parent)
    (packages / "gamma-1.0.dist-info").mkdir()
    (packages / "gamma-1.0.dist-info" / "RECORD").symlink_to(foreign)
    assert rooms(packages) == {"alpha": 8 * KIB}


def test_a_record_that_is_no_plain_file_is_not_waited_for(packages: Path) -> None:
    put(packages, "alpha/own.py")
    for name, make in (("alpha", os.mkfifo), ("beta", os.mkdir)):
        folder = packages / f"{name}-1.0.dist-info"
        folder.mkdir()
        make(folder / "RECORD")
    assert rooms(packages) == {}


def test_a_record_without_end_is_not_read(packages: Path) -> None:
    put(packages, "alpha/own.py")
    place = recorded(packages, "alpha", ["alpha/own.py"])
    assert rooms(packages) == {"alpha": 8 * KIB}
    with place.open("r+b") as file:
        file.truncate(65 * KIB * KIB)
    assert list(record.read(place)) == []


def test_a_line_without_end_is_read_in_pieces(packages: Path) -> None:
    place = recorded(packages, "alpha", ["x" * 1_000_000, "alpha/own.py"])
    lines = [path for path, _ in record.read(place)]
    assert max(map(len, lines)) <= 64 * KIB
    assert lines[-1] == "alpha/own.py"


@pytest.mark.parametrize("line", [b"\xff\xfe\x00", b'"alpha', b'a"b"c,"', b"\x00", b"\r", b"\xf0\x9f"])
def test_a_line_that_is_no_line_of_a_record_does_not_hide_the_others(packages: Path, line: bytes) -> None:
    put(packages, "alpha/own.py")
    recorded(packages, "alpha", [line, "alpha/own.py"])
    assert rooms(packages) == {"alpha": 8 * KIB}


def test_a_package_without_a_record_has_no_size(packages: Path) -> None:
    put(packages, "alpha/own.py")
    put(packages, "alpha-1.0.dist-info/METADATA")
    assert rooms(packages) == {}


@pytest.mark.parametrize("name", [b"al\xffpha", "älpha".encode(), b"-", b"<b>", b"a b"])
def test_a_folder_whose_name_no_package_can_have_is_none(packages: Path, name: bytes) -> None:
    put(packages, "alpha/own.py")
    recorded(packages, os.fsdecode(name), ["alpha/own.py"])
    assert rooms(packages) == {}


def test_a_file_that_several_claim_counts_once(packages: Path) -> None:
    put(packages, "shared/__init__.py")
    recorded(packages, "alpha", ["shared/__init__.py"])
    recorded(packages, "beta", ["shared/__init__.py"])
    assert rooms(packages) == {"alpha": 8 * KIB}


def test_an_environment_that_is_gone_or_no_folder_takes_no_room(tmp_path: Path) -> None:
    assert taken(tmp_path / "absent") is None
    assert taken(put(tmp_path, "file")) is None


def test_an_environment_that_was_made_anew_is_measured_anew(packages: Path) -> None:
    recorded(packages, "alpha", ["alpha/own.py"])
    put(packages, "alpha/own.py")
    assert rooms(packages) == {"alpha": 8 * KIB}
    tree.remove(packages)
    packages.mkdir()
    recorded(packages, "alpha", ["alpha/own.py"])
    put(packages, "alpha/own.py", 32 * KIB)
    assert rooms(packages)["alpha"] == 32 * KIB
