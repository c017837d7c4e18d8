"""Wheels made of what uv unpacked: the same files again, under names that uv and pip can use."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from cadence.dependencies.command import IndexOptions, Output, Uv
from cadence.dependencies.lock import Lock, Package
from cadence.dependencies.vendoring import vendor
from cadence.errors import Cancelled, DependenciesFailed
from cadence.progress import Cancellation
from tests.dependencies.shelf import Shelf


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "vendored"
    folder.mkdir()
    return folder


def lock_of(*wheels: Path) -> Lock:
    """A lock of exactly these files."""
    packages = []
    for wheel in wheels:
        name, version, _, _ = parse_wheel_filename(wheel.name)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        packages.append(Package(str(name), str(version), (f"sha256:{digest}",), f"{name}>=0"))
    return Lock(tuple(packages))


def installed(wheel: Path, target: Path, uv: Uv) -> dict[str, tuple[bytes, bool]]:
    """What an installation of a wheel file puts on the disk: content and whether it can be executed, by path.

    Left out is what tells where the wheel came from, and with it the installation's own record.
    """
    output = uv.run(
        "install", "--requirements=-", f"--target={target}", "--no-deps", "--link-mode=copy", stdin=str(wheel)
    )
    assert output.code == 0, output.words
    files = (path for path in target.rglob("*") if path.is_file())
    told = {"direct_url.json", "uv_cache.json", ".lock", "RECORD"}
    return {
        path.relative_to(target).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in files
        if path.name not in told
    }


def recorded(target: Path) -> list[list[str]]:
    (record,) = target.glob("*.dist-info/RECORD")
    rows = list(csv.reader(record.read_text().splitlines()))
    return sorted(row for row in rows if not row[0].endswith(("direct_url.json", "uv_cache.json")))


def alpha(shelf: Shelf, files: Mapping[str, str]) -> Path:
    """A wheel with these files in the place of the usual, and a record of all, as csv writes it."""
    path, info = shelf.wheel("alpha"), "alpha-1.0.dist-info"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}
    content |= {name: text.encode() for name, text in files.items()}
    record = io.StringIO()
    rows = [[name, f"sha256={_digest(data)}", len(data)] for name, data in content.items()]
    csv.writer(record, lineterminator="\n").writerows([*rows, [f"{info}/RECORD", "", ""]])
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (content | {f"{info}/RECORD": record.getvalue().encode()}).items():
            archive.writestr(name, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def remade(shelf: Shelf, uv: Uv, into: Path, files: Mapping[str, str]) -> tuple[Path, Path]:
    """A wheel, and the one that is made of its installation."""
    original = alpha(shelf, files)
    (wheel,) = vendor(lock_of(original), uv, into)
    return original, wheel.path


def test_a_wheel_comes_back_with_every_file_as_it_was(shelf: Shelf, uv: Uv, into: Path) -> None:
    original, wheel = remade(shelf, uv, into, {"alpha/data.bin": "\0data", "alpha/sub/__init__.py": ""})
    with zipfile.ZipFile(original) as before, zipfile.ZipFile(wheel) as after:
        names = set(before.namelist())
        assert set(after.namelist()) == names
        # uv writes the record anew; what it says of the files is checked against them.
        assert all(after.read(name) == before.read(name) for name in names - {"alpha-1.0.dist-info/RECORD"})
    assert wheel.name == original.name


@pytest.mark.parametrize(
    "files",
    [
        {"space/alpha.py": "x = 1\n"},  # a namespace package
        {"alpha-1.0.data/purelib/more.py": "y = 2\n", "alpha-1.0.data/platlib/most.py": "z = 3\n"},
        {"alpha-1.0.data/scripts/tool": "#!python\nprint(1)\n", "alpha-1.0.data/scripts/plain": "#!/bin/sh\n"},
        {"alpha-1.0.data/data/share/alpha.txt": "text\n", "alpha-1.0.data/headers/alpha.h": "int x;\n"},
        {"alpha-1.0.dist-info/entry_points.txt": "[console_scripts]\nalpha = alpha:main\n"},
        {"alpha/with,comma.txt": "a", 'alpha/with"quote.txt': "b", "alpha/Ünïcode.txt": "c"},
    ],
    ids=["namespace", "libraries", "scripts", "data", "entry-points", "names"],
)
def test_it_installs_to_the_very_same_files(
    shelf: Shelf, uv: Uv, into: Path, tmp_path: Path, files: Mapping[str, str]
) -> None:
    original, wheel = remade(shelf, uv, into, files)
    one, other = tmp_path / "one", tmp_path / "other"
    assert installed(original, one, uv) == installed(wheel, other, uv)
    assert recorded(one) == recorded(other)


def test_numpy_from_the_index_comes_back_whole(tmp_path: Path, into: Path) -> None:
    uv = Uv(idle_seconds=120)
    compiled = uv.run("compile", "-", "--generate-hashes", "--no-header", "--no-annotate", stdin="numpy>=1.20.0")
    assert compiled.code == 0, compiled.words
    version = compiled.stdout.partition("==")[2].split()[0]
    hashes = tuple(part.removeprefix("--hash=") for part in compiled.stdout.split() if part.startswith("--hash="))
    lock = Lock((Package("numpy", version, hashes, "numpy>=1.20.0"),))

    (wheel,) = vendor(lock, uv, into)

    direct = tmp_path / "direct"
    assert uv.run("install", "--requirements=-", f"--target={direct}", "--link-mode=copy", stdin=lock.text).code == 0
    again = installed(wheel.path, tmp_path / "again", uv)
    assert again == {name: content for name, content in _tree(direct).items() if name in again}
    assert set(_tree(direct)) - set(again) <= {".lock", f"numpy-{version}.dist-info/RECORD"}
    assert recorded(direct) == recorded(tmp_path / "again")


def _tree(target: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        path.relative_to(target).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in target.rglob("*")
        if path.is_file()
    }


def test_pip_takes_it_too(shelf: Shelf, uv: Uv, into: Path, tmp_path: Path) -> None:
    _, wheel = remade(shelf, uv, into, {"alpha-1.0.data/purelib/more.py": "y = 2\n"})
    by_pip = tmp_path / "by-pip"
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--target", str(by_pip), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (by_pip / "more.py").read_text() == "y = 2\n"


def test_the_same_lock_makes_the_same_bytes(shelf: Shelf, uv: Uv, into: Path, tmp_path: Path) -> None:
    lock = lock_of(shelf.wheel("alpha"), shelf.wheel("beta", files={"beta-1.0.data/scripts/run": "#!python\n"}))
    second = tmp_path / "second"
    second.mkdir()
    fresh = Uv(idle_seconds=60, options=IndexOptions(find_links=(shelf.folder,), no_index=True, cache=second / "cache"))
    first = [wheel.path.read_bytes() for wheel in vendor(lock, uv, into)]
    assert [wheel.path.read_bytes() for wheel in vendor(lock, fresh, second)] == first


def test_nothing_but_the_wheels_is_left_in_the_folder(shelf: Shelf, uv: Uv, into: Path) -> None:
    wheels = vendor(lock_of(shelf.wheel("alpha"), shelf.wheel("beta")), uv, into)
    assert sorted(into.iterdir()) == sorted(wheel.path for wheel in wheels)
    assert [wheel.size_bytes for wheel in wheels] == [wheel.path.stat().st_size for wheel in wheels]


def test_a_lock_without_packages_needs_no_wheels(into: Path) -> None:
    assert vendor(Lock(), Uv(idle_seconds=1), into) == ()


def _headers(*lines: str) -> dict[str, str]:
    return {
        "alpha-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n" + "".join(f"{x}\n" for x in lines)
    }


HERE = next(sys_tags())


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["Tag: py2-none-any", "Tag: py3-none-any"], "alpha-1.0-py2.py3-none-any.whl"),
        (["Tag: py2.py3-none-any"], "alpha-1.0-py2.py3-none-any.whl"),
        (["Build: 3b", "Tag: py3-none-any"], "alpha-1.0-3b-py3-none-any.whl"),
        ([f"Tag: {HERE}", "Tag: cp27-cp27m-win32"], None),
    ],
)
def test_the_name_is_made_of_the_tags_in_it(
    shelf: Shelf, uv: Uv, into: Path, lines: Sequence[str], name: str | None
) -> None:
    _, wheel = remade(shelf, uv, into, _headers(*lines))
    assert name is None or wheel.name == name
    assert not parse_wheel_filename(wheel.name)[3].isdisjoint(sys_tags())


@pytest.mark.parametrize(
    "lines", [["Tag: cp27-cp27m-win32"], ["Tag: ../../up"], ["Build: ../x", "Tag: /etc-x-y"], [], ["Tag: py3-none"]]
)
def test_tags_that_are_wrong_or_hostile_give_way_to_those_of_here(
    shelf: Shelf, uv: Uv, into: Path, lines: Sequence[str], tmp_path: Path
) -> None:
    """uv chose the wheel by its name; what stands in it may be anything."""
    original, wheel = remade(shelf, uv, into, _headers(*lines))
    assert wheel.name == f"alpha-1.0-{HERE}.whl"
    assert installed(original, tmp_path / "one", uv) == installed(wheel, tmp_path / "other", uv)


def test_a_wrong_hash_is_told_with_the_requirement(shelf: Shelf, uv: Uv, into: Path) -> None:
    shelf.wheel("alpha")
    lock = Lock((Package("alpha", "1.0", ("sha256:" + "0" * 64,), "alpha>=1"),))
    with pytest.raises(DependenciesFailed) as caught:
        vendor(lock, uv, into)
    assert (caught.value.faults[0].code, caught.value.faults[0].culprit) == ("hash_mismatch", "alpha>=1")


def cached(shelf: Shelf, name: str) -> Path:
    """A file of the package alpha where uv unpacked it."""
    assert shelf.options.cache is not None
    (path,) = shelf.options.cache.glob(f"archive-*/*/{name}")
    return path


def test_a_cache_that_somebody_changed_makes_no_wheel(shelf: Shelf, uv: Uv, into: Path) -> None:
    lock = lock_of(shelf.wheel("alpha"))
    vendor(lock, uv, into)
    cached(shelf, "alpha/__init__.py").write_text("evil = True\n")
    with pytest.raises(DependenciesFailed, match=r"alpha/__init__\.py is not the file that was published"):
        vendor(lock, uv, into)
    cached(shelf, "alpha/__init__.py").unlink()
    with pytest.raises(DependenciesFailed, match=r"alpha/__init__\.py is missing"):
        vendor(lock, uv, into)


def test_a_link_in_the_cache_makes_no_wheel(shelf: Shelf, uv: Uv, into: Path) -> None:
    lock = lock_of(shelf.wheel("alpha"))
    vendor(lock, uv, into)
    cached(shelf, "alpha").joinpath("link.py").symlink_to("/etc/passwd")
    with pytest.raises(DependenciesFailed, match=r"link\.py is a link"):
        vendor(lock, uv, into)


def test_a_cache_that_is_switched_off_is_told(
    shelf: Shelf, uv: Uv, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_of(shelf.wheel("alpha"))
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(DependenciesFailed, match="UV_NO_CACHE"):
        vendor(lock, uv, into)


def test_where_uv_cannot_link_no_wheel_is_made(shelf: Shelf, into: Path) -> None:
    class Copying(Uv):
        def run(self, *arguments: str, **more: Any) -> Output:
            return super().run(*(one.replace("=symlink", "=copy") for one in arguments), **more)

    with pytest.raises(DependenciesFailed, match="uv could not link to it"):
        vendor(lock_of(shelf.wheel("alpha")), Copying(idle_seconds=60, options=shelf.options), into)
    assert not list(into.iterdir())


def test_what_was_cancelled_leaves_no_wheel(shelf: Shelf, into: Path) -> None:
    lock, cancelled = lock_of(shelf.wheel("alpha")), Cancellation()
    cancelled.set()
    with pytest.raises(Cancelled):
        vendor(lock, Uv(idle_seconds=60, cancelled=cancelled, options=shelf.options), into)
    assert not list(into.iterdir())


def test_what_an_installer_writes_does_not_get_into_the_wheel(shelf: Shelf, uv: Uv, into: Path, tmp_path: Path) -> None:
    """Some wheels carry what uv writes when it installs, and a link would lead into the cache."""
    info = "alpha-1.0.dist-info"
    files = {f"{info}/INSTALLER": "pip\n", f"{info}/REQUESTED": "by\n", f"{info}/direct_url.json": "{}"}
    original, wheel = remade(shelf, uv, into, files)
    with zipfile.ZipFile(wheel) as archive:
        assert {name: archive.read(name).decode() for name in files} == files
    assert installed(original, tmp_path / "one", uv) == installed(wheel, tmp_path / "other", uv)
