import io
import os
import shutil
import stat
import struct
import subprocess
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest
from msgspec import structs

from cadence.errors import InvalidArchive
from tests.intake.conftest import LIMITS, Extract, Refusal
from tests.intake.forgery import DEVICE, FIFO, REGULAR, STORED, SYMLINK, Forged, archive, deflated, plugin

FOLDER = 0o040755


def zipped(*names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An honest archive by Python's own writer."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name in names:
            file.writestr(name, f"# {name}\n" if not name.endswith("/") else "")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("path_traversal", "../evil.py"),
        ("path_traversal", "a/../../evil.py"),
        ("path_traversal", "__MACOSX/../../evil.py"),
        ("absolute_path", "/etc/cron.d/evil"),
        ("absolute_path", "//server/share"),
        ("drive_letter", "C:/evil.py"),
        ("drive_letter", "c:evil.py"),
        ("backslash", "..\\evil.py"),
        ("backslash", "a\\b.py"),
        ("control_character", "evil.py\0.txt"),
        ("control_character", "line\nbreak.py"),
        ("control_character", "\x1b[31mred.py"),
        ("control_character", "next\x85line.py"),
        ("control_character", "safe\u202eyp.exe"),
        ("empty_path_part", "a//b.py"),
        ("empty_path_part", "./a.py"),
        ("empty_path_part", ""),
        ("path_too_long", "é" * 121),
        ("path_too_deep", "d/" * 17 + "f.py"),
    ],
)
def test_an_archive_with_such_an_entry_is_refused_by_name(refused: Refusal, code: str, name: str) -> None:
    culprits = refused(archive(*plugin(Forged(name))))
    assert culprits[code] == (name if name.isprintable() else repr(name)[1:-1])


def test_every_fault_is_told_at_once(refused: Refusal) -> None:
    codes = refused(archive(*plugin(Forged("../a"), Forged("/b"), Forged("c", mode=SYMLINK), Forged("d", flags=1))))
    assert set(codes) == {"path_traversal", "absolute_path", "link", "encrypted_entry"}


def test_the_faults_told_are_bounded(unpack: Extract) -> None:
    with pytest.raises(InvalidArchive) as caught:
        unpack(archive(*(Forged(f"../{n}") for n in range(500))))
    assert len(caught.value.details) == 101
    assert caught.value.details[-1] == "There are 400 more faults"


@pytest.mark.parametrize(
    ("code", "mode"), [("link", SYMLINK), ("special_file", FIFO), ("special_file", DEVICE), ("special_file", 0o140755)]
)
def test_links_and_devices_are_refused(refused: Refusal, code: str, mode: int) -> None:
    assert refused(archive(*plugin(Forged("x", b"/etc/passwd", mode=mode)))) == {code: "x"}


def test_a_file_through_a_link_is_refused_and_nothing_is_written_outside(refused: Refusal, tmp_path: Path) -> None:
    target = tmp_path.with_name(tmp_path.name + "-outside")
    target.mkdir()
    data = archive(Forged("out", str(target).encode(), mode=SYMLINK), Forged("out/evil.py"))
    assert {"link", "file_and_folder"} <= set(refused(data))
    assert not list(target.iterdir())


@pytest.mark.parametrize(("name", "mode"), [("folder", FOLDER), ("file/", REGULAR)])
def test_a_folder_by_name_or_by_attributes_only_is_refused(refused: Refusal, name: str, mode: int) -> None:
    assert refused(archive(*plugin(Forged(name, b"", mode=mode)))) == {"header_disagreement": name}


def test_a_folder_with_data_is_refused(refused: Refusal) -> None:
    assert refused(archive(*plugin(Forged("d/", b"hidden", mode=FOLDER)))) == {"header_disagreement": "d/"}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("duplicate_entry", ["a.py", "a.py"]),
        ("colliding_entry", ["a.py", "A.py"]),
        ("colliding_entry", ["straße.py", "STRASSE.py"]),
        ("colliding_entry", ["caf\u00e9.py", "cafe\u0301.py"]),
        ("colliding_entry", ["lib/a.py", "LIB/b.py"]),
        ("file_and_folder", ["a", "a/b.py"]),
        ("file_and_folder", ["a/b.py", "a"]),
        ("file_and_folder", ["A/b.py", "a"]),
    ],
)
def test_names_that_collide_are_refused(refused: Refusal, code: str, names: list[str]) -> None:
    assert refused(archive(*(Forged(name) for name in names)))[code] == names[1]


def test_a_folder_listed_after_a_file_in_it_passes(unpack: Extract) -> None:
    files = unpack(archive(*plugin(Forged("d/a.py"), Forged("d/", b"", mode=FOLDER)))).files
    assert files == ("__init__.py", "agent.py", "d/a.py", "plugin.py", "tools.py")


def test_too_many_entries_are_refused(refused: Refusal) -> None:
    limits = structs.replace(LIMITS, max_archive_entries=4)
    assert "too_many_entries" in refused(archive(*plugin(Forged("five"))), limits)


def test_an_archive_without_files_is_refused(refused: Refusal) -> None:
    assert "empty_archive" in refused(archive())
    assert "empty_archive" in refused(archive(Forged("__MACOSX/._a"), Forged("d/", b"", mode=FOLDER)))


def test_an_archive_that_admits_its_size_is_refused_by_it(refused: Refusal) -> None:
    limits = structs.replace(LIMITS, max_unpacked_bytes=1000)
    assert "unpacked_too_large" in refused(archive(Forged("big", b"ab" * 501)), limits)


def test_a_bomb_that_lies_about_its_size_is_stopped_where_the_lie_ends(refused: Refusal) -> None:
    assert refused(archive(Forged("bomb.py", bytes(8 << 20), size=10))) == {"wrong_size": "bomb.py"}


def test_many_small_lies_are_counted_by_what_comes_out(refused: Refusal) -> None:
    padding = Forged("noise", os.urandom(100_000), method=STORED)
    lies = (Forged(f"{n}.py", bytes(1 << 20), size=10) for n in range(5))
    limits = structs.replace(LIMITS, max_unpacked_bytes=200_000)
    assert refused(archive(padding, *lies), limits) == {"wrong_size": "0.py", "unpacked_too_large": "1.py"}


def test_a_high_ratio_is_refused(refused: Refusal) -> None:
    padding = Forged("noise", os.urandom(200_000), method=STORED)
    assert refused(archive(Forged("bomb", bytes(4 << 20)))) == {"ratio_too_high": "bomb"}
    assert refused(archive(padding, Forged("bomb", bytes(4 << 20)))) == {"ratio_too_high": "bomb"}


def test_a_small_repetitive_file_is_no_bomb(unpack: Extract) -> None:
    padding = Forged("noise", os.urandom(20_000), method=STORED)
    assert unpack(archive(padding, Forged("zeros", bytes(900_000)))).unpacked_bytes == 920_000


def test_zipfile_writes_the_bomb_that_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive(Forged("bomb", bytes(4 << 20))))) as file:
        file.extractall(tmp_path)
    assert (tmp_path / "bomb").stat().st_size == 4 << 20


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        ("wrong_checksum", Forged("a.py", crc=1)),
        ("wrong_size", Forged("a.py", b"12345", size=4)),
        ("wrong_size", Forged("a.py", b"12345", size=6)),
        ("wrong_size", Forged("a.py", b"12345", method=STORED, size=6)),
        ("wrong_size", Forged("a.py", b"12345", packed=deflated(b"12345") + b"smuggled")),
        ("wrong_size", Forged("a.py", b"12345", packed=deflated(b"12345") + bytes(100_000))),
        ("wrong_size", Forged("a.py", b"12345" * 100, packed=deflated(b"12345" * 100)[:-2])),
        ("damaged_entry", Forged("a.py", b"12345", packed=b"\xff\xff\xff\xff")),
    ],
)
def test_an_entry_that_is_not_what_it_promises_is_refused(refused: Refusal, code: str, entry: Forged) -> None:
    assert refused(archive(*plugin(), entry)) == {code: "a.py"}


def test_all_damaged_entries_are_told(unpack: Extract) -> None:
    with pytest.raises(InvalidArchive) as caught:
        unpack(archive(Forged("a.py", crc=1), Forged("b.py"), Forged("c.py", crc=1)))
    assert [fault.culprit for fault in caught.value.faults] == ["a.py", "c.py"]


def test_junk_is_left_out_also_deep_inside(unpack: Extract) -> None:
    junk = ("__MACOSX/._plugin.py", ".DS_Store", "sub/Thumbs.db", "sub/__pycache__/a.pyc", ".git/config")
    assert unpack(archive(*plugin(*map(Forged, junk), Forged("sub/a.py")))).files == (
        "__init__.py",
        "agent.py",
        "plugin.py",
        "sub/a.py",
        "tools.py",
    )


def test_a_single_folder_around_all_files_is_stepped_into(unpack: Extract) -> None:
    data = archive(Forged("repo-main/", b"", mode=FOLDER), *plugin(Forged(".DS_Store"), prefix="repo-main/"))
    assert unpack(data).files == ("__init__.py", "agent.py", "plugin.py", "tools.py")


def test_only_one_folder_is_stepped_into(unpack: Extract) -> None:
    assert unpack(archive(*plugin(prefix="a/b/"))).files[0] == "b/__init__.py"


def test_two_folders_are_not_stepped_into(unpack: Extract) -> None:
    assert unpack(archive(*plugin(Forged("docs/a.md"), prefix="src/"))).files[0] == "docs/a.md"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_nothing_extracted_is_executable_or_depends_on_the_umask(unpack: Extract, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = unpack(archive(*plugin(Forged("bin/run", mode=0o104777)))).directory
    finally:
        os.umask(before)
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_file()} == {0o644}
    assert {stat.S_IMODE(p.stat().st_mode) for p in (folder, folder / "bin")} == {0o755}


def test_what_is_at_the_destination_already_is_left_alone(unpack: Extract, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path)
    with pytest.raises(FileExistsError):
        unpack(archive(*plugin()))
    assert (tmp_path / "out").is_symlink()


def test_a_full_disk_is_told_as_such_and_leaves_nothing(tmp_path: Path) -> None:
    """In a process of its own, where the kernel refuses files of more than 64 KiB."""
    (tmp_path / "upload").write_bytes(archive(*plugin(Forged("big", os.urandom(300_000)))))
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from cadence.errors import StorageFull; from cadence.intake.archive import extract\n"
        "from cadence.model import Upload; from tests.intake.conftest import LIMITS\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); folder = Path(sys.argv[1])\n"
        "try: extract(Upload(str(folder / 'upload'), 'a-1.zip', '', 10**6), folder / 'out', LIMITS)\n"
        "except StorageFull as error: print(error.status, (folder / 'out').exists())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert result.stdout.split() == ["507", "False"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_by_pythons_zipfile_passes(unpack: Extract, method: int) -> None:
    assert unpack(zipped("__init__.py", "sub/", "sub/é.py", method=method)).files == ("__init__.py", "sub/é.py")


def test_an_archive_written_to_a_pipe_by_zipfile_passes(unpack: Extract) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]  # a narrower buffer is enough here
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.py", "x = 1")
        with file.open("b.py", "w", force_zip64=True) as entry:
            entry.write(b"y = 2")
    assert unpack(pipe.data).files == ("a.py", "b.py")


def test_an_archive_with_zip64_sizes_passes(unpack: Extract) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file, file.open("a.py", "w", force_zip64=True) as entry:
        entry.write(b"x = 1")
    assert unpack(buffer.getvalue()).files == ("a.py",)


def test_an_archive_like_finders_passes(unpack: Extract) -> None:
    """Finder writes decomposed UTF-8 names without saying so, data descriptors, and a shadow of every file."""

    def finders(name: str, data: bytes) -> Forged:
        values = struct.pack("<4sLLL", b"PK\7\x08", zlib.crc32(data), len(deflated(data)), len(data))
        unknown = {"crc": 0, "packed_bytes": 0, "size": 0}
        return Forged(unicodedata.normalize("NFD", name), data, flags=8, descriptor=values, local=unknown)

    files = [Forged("math/", b"", method=STORED, mode=FOLDER)]
    for name in ("__init__.py", "café.txt"):
        files += [finders(f"math/{name}", b"x = 1\n" * 9), finders(f"__MACOSX/math/._{name}", b"\0\5\x16\7")]
    assert unpack(archive(*files)).files == ("__init__.py", "caf\u00e9.txt")


def test_an_archive_like_windows_explorers_passes(unpack: Extract) -> None:
    """Explorer stores no Unix mode, and names outside ASCII in the old IBM code page."""
    assert unpack(archive(*plugin(Forged("caf\u00e9.txt".encode("cp437"), mode=0)))).files[2] == "café.txt"


@pytest.mark.skipif(shutil.which("zip") is None, reason="Info-ZIP's zip is not installed")
@pytest.mark.parametrize("to_pipe", [False, True])
def test_an_archive_by_zip_passes(unpack: Extract, tmp_path: Path, to_pipe: bool) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    for name in ("__init__.py", "é.txt", "long.txt"):
        (folder / name).write_text("x = 1\n" * 100)
    made = subprocess.run(["zip", "-qr", "-", "."], cwd=folder, capture_output=True, check=True).stdout
    if not to_pipe:
        subprocess.run(["zip", "-qr", tmp_path / "a.zip", "."], cwd=folder, check=True)
        made = (tmp_path / "a.zip").read_bytes()
    assert unpack(made).files == ("__init__.py", "long.txt", "é.txt")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("options", [[], ["--prefix=plugin-main/"]])
def test_an_archive_by_git_passes(unpack: Extract, tmp_path: Path, options: list[str]) -> None:
    repository = tmp_path / "repository"
    (repository / "sub").mkdir(parents=True)
    for name in ("__init__.py", "sub/é.txt"):
        (repository / name).write_text("x = 1\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    command = ["git", "archive", "--format=zip", *options, "HEAD"]
    made = subprocess.run(command, cwd=repository, capture_output=True, check=True).stdout
    assert unpack(made).files == ("__init__.py", "sub/é.txt")
