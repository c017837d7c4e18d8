import os
import zipfile
from pathlib import Path

import pytest
from msgspec import structs

from cadence.errors import InvalidArchive, InvalidFilename, UploadTooLarge, ValidationFailed
from cadence.intake.archive import extract
from cadence.intake.filename import parse_filename
from cadence.intake.inspection import inspect
from cadence.intake.packing import pack
from cadence.intake.upload import receive
from tests.intake.conftest import LIMITS
from tests.intake.test_inspection import SOURCES


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def folder(tmp_path: Path, name: str = "math_plugin-1.0.0", **more: str) -> Path:
    """A plugin's folder; a double underscore in a keyword stands for a slash."""
    root = tmp_path / name
    for file, text in (SOURCES | {key.replace("__", "/"): value for key, value in more.items()}).items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return root


def test_what_is_packed_passes_the_intake(tmp_path: Path, out: Path) -> None:
    packed = pack(folder(tmp_path), out, LIMITS)
    assert packed == out / "math_plugin-1.0.0.zip"
    assert list(out.iterdir()) == [packed]
    with packed.open("rb") as file:
        upload = receive(file, packed.name, tmp_path, 10**6)
    extraction = extract(upload, tmp_path / "extracted", LIMITS)
    assert extraction.files == tuple(sorted(SOURCES))
    assert inspect(extraction.directory, parse_filename(upload.filename), "1.4.0").warnings == ()


def test_equal_files_make_equal_archives(tmp_path: Path, out: Path) -> None:
    root = folder(tmp_path, sub__data="x")
    first = pack(root, out, LIMITS).read_bytes()
    os.utime(root / "plugin.py", (1, 1))
    (root / "agent.py").chmod(0o700)
    assert pack(root, out, LIMITS).read_bytes() == first


@pytest.mark.parametrize(
    ("name", "pyproject", "expected"),
    [
        ("sums-2.5", "", "sums-2.5.zip"),
        ("work", "", "math_plugin-1.0.0.zip"),
        ("work", "[project]\nname='other'\nversion='3'", "math_plugin-1.0.0.zip"),
    ],
)
def test_the_archive_is_named_after_the_folder_or_the_metadata(
    tmp_path: Path, out: Path, name: str, pyproject: str, expected: str
) -> None:
    root = folder(tmp_path, name)
    (root / "pyproject.toml").write_text(pyproject)
    assert pack(root, out, LIMITS).name == expected


def test_pyproject_names_what_the_source_does_not(tmp_path: Path, out: Path) -> None:
    root = folder(tmp_path, "work")
    (root / "plugin.py").write_text("")
    (root / "pyproject.toml").write_text("[project]\nname='sums'\nversion='3.1'\n")
    assert pack(root, out, LIMITS).name == "sums-3.1.zip"


@pytest.mark.parametrize("project", ["", "name='sums'", "name='a-1'\nversion='2'", "name='../x'\nversion='2'"])
def test_a_folder_that_tells_no_usable_name_is_refused(tmp_path: Path, out: Path, project: str) -> None:
    root = folder(tmp_path, "work")
    (root / "plugin.py").write_text("")
    (root / "pyproject.toml").write_text(f"[project]\n{project}\n")
    with pytest.raises(InvalidFilename):
        pack(root, out, LIMITS)
    assert not list(out.iterdir())


def test_junk_is_left_out_and_tests_are_kept(tmp_path: Path, out: Path) -> None:
    root = folder(tmp_path)
    for junk in (
        "__pycache__/a.pyc",
        ".git/config",
        ".venv/bin/python",
        "sub/__pycache__/b.pyc",
        "old.pyc",
        ".DS_Store",
    ):
        (root / junk).parent.mkdir(parents=True, exist_ok=True)
        (root / junk).write_text("x")
    (root / "tests").mkdir()
    (root / "tests" / "test_tools.py").write_text("x = 1\n")
    with zipfile.ZipFile(pack(root, out, LIMITS)) as archive:
        assert archive.namelist() == sorted([*SOURCES, "tests/test_tools.py"])


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc", "nowhere", "plugin.py"])
def test_links_are_refused_by_name(tmp_path: Path, out: Path, target: str) -> None:
    root = folder(tmp_path)
    (root / "link").symlink_to(target)
    with pytest.raises(InvalidArchive) as caught:
        pack(root, out, LIMITS)
    assert [(fault.code, fault.culprit) for fault in caught.value.faults] == [("link", "link")]
    assert not list(out.iterdir())


def test_what_a_server_would_refuse_is_refused_here_too(tmp_path: Path, out: Path) -> None:
    root = folder(tmp_path, Data="1", data="2")
    with pytest.raises(InvalidArchive) as caught:
        pack(root, out, LIMITS)
    assert [fault.code for fault in caught.value.faults] == ["colliding_entry"]
    with pytest.raises(InvalidArchive, match="are allowed"):
        pack(root, out, structs.replace(LIMITS, max_unpacked_bytes=100))
    assert not list(out.iterdir())


def test_a_name_that_is_no_text_is_refused(tmp_path: Path, out: Path) -> None:
    root = folder(tmp_path)
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.txt")).write_text("x")
    with pytest.raises(InvalidArchive) as caught:
        pack(root, out, LIMITS)
    assert caught.value.faults[0].culprit == "\\udcff.txt"


def test_a_folder_without_a_package_is_refused(tmp_path: Path, out: Path) -> None:
    (tmp_path / "empty-1.0").mkdir()
    with pytest.raises(ValidationFailed, match=r"Missing required file: __init__\.py"):
        pack(tmp_path / "empty-1.0", out, LIMITS)


def test_a_folder_from_elsewhere_takes_the_place_of_the_plugins_own(tmp_path: Path, out: Path) -> None:
    root = folder(tmp_path, wheels__old="x", wheelsmith="kept")
    other = tmp_path / "elsewhere"
    (other / "sub").mkdir(parents=True)
    (other / "new.whl").write_bytes(b"PK" * 1000)
    (other / "sub" / "more.txt").write_text("more" * 100)
    with zipfile.ZipFile(pack(root, out, LIMITS, folders={"wheels": other})) as archive:
        assert archive.namelist() == sorted([*SOURCES, "wheels/new.whl", "wheels/sub/more.txt", "wheelsmith"])
        # A wheel is compressed already.
        assert archive.getinfo("wheels/new.whl").compress_type == zipfile.ZIP_STORED
        assert archive.getinfo("wheels/sub/more.txt").compress_type == zipfile.ZIP_DEFLATED
    assert (root / "wheels" / "old").read_text() == "x"


def test_files_from_elsewhere_are_held_to_the_same_rules(tmp_path: Path, out: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "link.whl").symlink_to("/etc/passwd")
    with pytest.raises(InvalidArchive, match=r"wheels/link\.whl' is a link"):
        pack(folder(tmp_path), out, LIMITS, folders={"wheels": other})
    (other / "link.whl").unlink()
    (other / "large.whl").write_bytes(b"x" * 5000)
    few = structs.replace(LIMITS, max_unpacked_bytes=5000)
    with pytest.raises(InvalidArchive, match=r"KiB, wheels included; 4\.9 KiB are allowed"):
        pack(folder(tmp_path), out, few, folders={"wheels": other})
    assert not list(out.iterdir())


def test_an_archive_of_more_bytes_than_the_server_takes_is_not_written(tmp_path: Path, out: Path) -> None:
    root = folder(tmp_path)
    size = pack(root, out, LIMITS).stat().st_size
    assert pack(root, out, LIMITS, max_bytes=size).stat().st_size == size
    (out / "math_plugin-1.0.0.zip").unlink()
    with pytest.raises(UploadTooLarge, match=rf"{size} bytes; this server takes {size - 1} bytes"):
        pack(root, out, LIMITS, max_bytes=size - 1)
    assert not list(out.iterdir())
