"""Wheels in the archive and in the wheelhouse come before those of the index."""

import hashlib
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cadence.dependencies import wheel as wheels
from cadence.dependencies.command import IndexOptions
from cadence.dependencies.installation import Order
from cadence.dependencies.wheel import BrokenWheelError, check, identify, read_metadata
from cadence.errors import Cancelled, DependenciesFailed
from tests.dependencies.planning import House, archive, pins
from tests.dependencies.shelf import Shelf, SilentIndex, damage
from tests.dependencies.web_index import WebIndex

HOSTILE = "alpha-1.0-py3-none-any.whl"


@pytest.fixture
def vendored(tmp_path: Path) -> Shelf:
    """The wheels of an archive."""
    return archive(tmp_path / "archive")


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Shelf:
    return archive(tmp_path / "operator")


def digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_what_the_archive_has_is_taken_without_asking_the_index(
    shelf: Shelf, vendored: Shelf, house: House, web: WebIndex
) -> None:
    shelf.wheel("alpha", "2.0")
    wheel = vendored.wheel("alpha", "1.0", files={"alpha/here.py": ""})
    planned = house.plan("alpha", vendored=vendored.folder, options=web.options)
    assert planned.lock.text == f"alpha==1.0 --hash={digest(wheel)}\n"
    provided = house.provide(planned, options=web.options)
    assert provided.path is not None
    assert (provided.path / "alpha" / "here.py").is_file()
    assert web.asked == []
    assert not web.options.cache or not web.options.cache.exists()


def test_another_file_of_the_same_version_in_the_settings_of_uv_is_not_taken(
    shelf: Shelf, vendored: Shelf, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.wheel("alpha", "1.0")
    shelf.wheel("beta")
    settings = tmp_path / "uv.toml"
    settings.write_text(f"no-index = true\nfind-links = [{str(shelf.folder)!r}]\ncache-dir = {str(tmp_path / 'c')!r}\n")
    monkeypatch.setenv("UV_CONFIG_FILE", str(settings))
    own = vendored.wheel("alpha", "1.0", files={"alpha/here.py": ""})
    for requirements in (["alpha"], ["alpha", "beta"]):
        planned = house.plan(*requirements, vendored=vendored.folder, options=IndexOptions())
        assert f"alpha==1.0 --hash={digest(own)}\n" in planned.lock.text
        provided = house.provide(planned, options=IndexOptions())
        assert provided.path is not None
        assert (provided.path / "alpha" / "here.py").is_file()


def test_what_the_archive_lacks_comes_from_the_index_and_nothing_of_it_stays_in_the_cache(
    shelf: Shelf, vendored: Shelf, house: House, web: WebIndex
) -> None:
    shelf.wheel("alpha", "1.0", files={"alpha/elsewhere.py": ""})
    shelf.wheel("alpha", "2.0")
    other = shelf.wheel("beta", requires=["alpha"])
    own = vendored.wheel("alpha", "1.0", files={"alpha/here.py": ""})
    planned = house.plan("beta", vendored=vendored.folder, options=web.options)
    assert planned.lock.text == f"alpha==1.0 --hash={digest(own)}\nbeta==1.0 --hash={digest(other)}\n"
    provided = house.provide(planned, options=web.options)
    assert provided.path is not None
    assert (provided.path / "alpha" / "here.py").is_file()
    assert (provided.path / "beta").is_dir()
    assert house.progress.stages[-1].done == house.progress.stages[-1].total == 2
    assert web.options.cache is not None
    assert not list(web.options.cache.rglob("here.py"))


def test_a_vendored_version_that_cannot_be_used_gives_way(shelf: Shelf, vendored: Shelf, house: House) -> None:
    shelf.wheel("alpha", "2.0")
    shelf.wheel("beta", requires=["alpha>=2"])
    vendored.wheel("alpha", "1.0")
    assert pins(house.plan("beta", vendored=vendored.folder)) == ["alpha==2.0", "beta==1.0"]


def test_the_archive_comes_before_the_wheelhouse_and_that_before_the_index(
    shelf: Shelf, vendored: Shelf, wheelhouse: Shelf, house: House
) -> None:
    for name in ("alpha", "beta", "gamma"):
        shelf.wheel(name, "3.0")
    wheelhouse.wheel("alpha", "2.0")
    wheelhouse.wheel("alpha", "1.0", files={"alpha/other.py": ""})
    wheelhouse.wheel("beta", "2.0")
    wheelhouse.wheel("beta", "1.0")
    own = vendored.wheel("alpha", "1.0")
    planned = house.plan("alpha", "beta", "gamma", vendored=vendored.folder, wheelhouse=wheelhouse.folder)
    assert pins(planned) == ["alpha==1.0", "beta==2.0", "gamma==3.0"]
    assert planned.lock.packages[0].hashes == (digest(own),)


def test_what_every_worker_has_need_not_be_vendored(vendored: Shelf, house: House, silent: SilentIndex) -> None:
    vendored.wheel("alpha", requires=["pydantic>=2", "cadence-sdk"])
    assert pins(house.plan("alpha", vendored=vendored.folder, options=silent.options)) == ["alpha==1.0"]


def test_links_in_the_wheelhouse_are_followed_for_they_are_the_operators(wheelhouse: Shelf, house: House) -> None:
    wheel = wheelhouse.wheel("alpha")
    elsewhere = wheel.rename(wheelhouse.folder.parent / "blob")
    wheel.symlink_to(elsewhere)
    provided = house.provide(house.plan("alpha", wheelhouse=wheelhouse.folder), wheelhouse=wheelhouse.folder)
    assert provided.path is not None


def test_a_wheelhouse_that_is_not_there_is_told_by_its_setting(house: House, tmp_path: Path) -> None:
    with pytest.raises(DependenciesFailed) as caught:
        house.plan("alpha", wheelhouse=tmp_path / "nowhere")
    assert "CADENCE_WHEELHOUSE" in caught.value.in_words
    assert str(tmp_path) not in caught.value.in_words


def test_what_in_the_wheelhouse_is_no_wheel_of_this_platform_does_not_count(wheelhouse: Shelf, house: House) -> None:
    wheelhouse.wheel("alpha", "1.0")
    wheelhouse.wheel("alpha", "2.0", tag="cp38-cp38-win_amd64")
    (wheelhouse.folder / "notes.whl").write_text("no wheel")
    assert pins(house.plan("alpha", wheelhouse=wheelhouse.folder)) == ["alpha==1.0"]


def test_other_vendored_files_are_other_inputs(vendored: Shelf, house: House) -> None:
    vendored.wheel("alpha")
    first = house.plan("alpha", vendored=vendored.folder)
    assert house.plan("alpha", vendored=vendored.folder) == first
    vendored.wheel("alpha", files={"alpha/new.py": ""})
    assert house.plan("alpha", vendored=vendored.folder).lock.key != first.lock.key


def test_a_lock_whose_wheel_left_the_wheelhouse_is_resolved_anew(shelf: Shelf, wheelhouse: Shelf, house: House) -> None:
    shelf.wheel("alpha", "1.0")
    wheel = wheelhouse.wheel("alpha", "2.0")
    assert pins(house.plan("alpha", wheelhouse=wheelhouse.folder)) == ["alpha==2.0"]
    wheel.unlink()
    assert pins(house.plan("alpha", wheelhouse=wheelhouse.folder)) == ["alpha==1.0"]


def test_a_vendored_wheel_for_another_platform_is_ignored(shelf: Shelf, vendored: Shelf, house: House) -> None:
    vendored.wheel("alpha", "2.0", tag="cp38-cp38-win_amd64")
    shelf.wheel("alpha", "1.0")
    assert pins(house.plan("alpha", vendored=vendored.folder)) == ["alpha==1.0"]


def test_a_vendored_wheel_whose_content_is_damaged_is_told(vendored: Shelf, house: House) -> None:
    damage(vendored.wheel("alpha"))
    (fault,) = house.fails("alpha", vendored=vendored.folder)
    assert (fault.code, fault.culprit) == ("broken_wheel", "alpha")


def as_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "secret")


def as_folder(path: Path) -> None:
    path.mkdir()


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_text(path: Path) -> None:
    path.write_text("no wheel")


def as_nothing(path: Path) -> None:
    path.touch()


def zipped(*entries: tuple[str, str]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, text in entries:
                file.writestr(name, text)

    write.__name__ = " ".join(name for name, _ in entries)
    return write


ABOUT = "Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"


def as_bomb(path: Path) -> None:
    zipped(("alpha-1.0.dist-info/METADATA", ABOUT + "\n" + "0" * 64 * 1024 * 1024))(path)


def as_liar(path: Path) -> None:
    """Of which the list of files states less than there is to unpack."""
    as_bomb(path)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\1\2")
    content[at + 24 : at + 28] = struct.pack("<L", 100)
    path.write_bytes(content)


def as_endless_list(path: Path) -> None:
    """Of which the list of files is all there is, and would fill the memory."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    listed = entry * (8 * 1024 * 1024 // len(entry))
    path.write_bytes(listed + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(listed), 0, 0))


def as_endless_list_of_another_format(path: Path) -> None:
    """The same, stated where only ZIP64 readers look."""
    as_endless_list(path)
    listed = path.read_bytes()[:-22]
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(listed), 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(listed), 1)
    path.write_bytes(listed + record + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 0, 0, 0))


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        (HOSTILE, as_link, "it is not a plain file"),
        (HOSTILE, as_folder, "it cannot be read (Is a directory)"),
        (HOSTILE, as_pipe, "it is not a plain file"),
        (HOSTILE, as_text, "it is damaged, or no wheel at all"),
        (HOSTILE, as_nothing, "it is damaged, or no wheel at all"),
        (HOSTILE, zipped(("alpha/METADATA", ABOUT)), "it does not have one METADATA file"),
        (
            HOSTILE,
            zipped(("alpha-1.0.dist-info/METADATA", ABOUT), ("beta-1.0.dist-info/METADATA", ABOUT)),
            "it does not have one METADATA file",
        ),
        (
            HOSTILE,
            zipped(("a.dist-info/METADATA", "Name: alpha\n")),
            "its METADATA has no name and version that can be read",
        ),
        (HOSTILE, as_bomb, "its METADATA is larger than 1048576 bytes"),
        (HOSTILE, as_liar, "it is damaged, or no wheel at all"),
        (HOSTILE, as_endless_list, "it lists more files than a wheel has"),
        (HOSTILE, as_endless_list_of_another_format, "it lists more files than a wheel has"),
        (
            "alpha-2.0-py3-none-any.whl",
            zipped(("alpha-1.0.dist-info/METADATA", ABOUT)),
            "its name says alpha 2.0, its METADATA alpha 1.0",
        ),
        (
            "beta-1.0-py3-none-any.whl",
            zipped(("alpha-1.0.dist-info/METADATA", ABOUT)),
            "its name says beta 1.0, its METADATA alpha 1.0",
        ),
        ("alpha.whl", as_text, "its name is not that of a wheel, name-version-python-abi-platform.whl"),
        ("alpha-1.0-py3-none-any.WHL", as_text, "its name is not that of a wheel"),
    ],
)
def test_a_file_that_is_called_a_wheel_and_is_none_is_refused_by_name(
    vendored: Shelf, house: House, name: str, make: Callable[[Path], None], words: str
) -> None:
    (vendored.folder.parent / "secret").write_text("secret")
    make(vendored.folder / name)
    (fault,) = house.fails("alpha", vendored=vendored.folder)
    assert (fault.code, fault.culprit) == ("broken_wheel", f"wheels/{name}")
    assert fault.message.startswith(f"This file of the archive cannot be used: {words}")


def test_every_file_that_cannot_be_used_is_named_at_once(vendored: Shelf, house: House) -> None:
    as_text(vendored.folder / "alpha.whl")
    as_text(vendored.folder / HOSTILE)
    faults = house.fails("alpha", vendored=vendored.folder)
    assert [fault.culprit for fault in faults] == [f"wheels/{HOSTILE}", "wheels/alpha.whl"]


def test_other_files_among_the_wheels_do_not_count(shelf: Shelf, vendored: Shelf, house: House) -> None:
    shelf.wheel("alpha", "1.0")
    vendored.source("alpha", "2.0")
    (vendored.folder / "README.md").write_text("These are wheels.")
    (vendored.folder / "index.html").write_text('<a href="http://127.0.0.1:1/alpha-9-py3-none-any.whl">alpha</a>')
    assert pins(house.plan("alpha", vendored=vendored.folder)) == ["alpha==1.0"]


def test_a_link_in_the_place_of_the_folder_is_not_followed(shelf: Shelf, vendored: Shelf, house: House) -> None:
    shelf.wheel("alpha", "1.0")
    vendored.wheel("alpha", "2.0")
    link = vendored.folder.parent / "link"
    link.symlink_to(vendored.folder)
    assert pins(house.plan("alpha", vendored=link)) == ["alpha==1.0"]


def test_looking_at_many_wheels_can_be_cancelled(vendored: Shelf, house: House) -> None:
    vendored.wheel("alpha")
    dependencies = house.dependencies()
    house.progress.cancelled.set()
    with pytest.raises(Cancelled):
        dependencies.plan(Order(("alpha",), vendored.folder), house.progress)


def test_requirements_that_nobody_can_read_are_not_those_of_a_wheel(vendored: Shelf) -> None:
    wheel = vendored.wheel("alpha", requires=["beta>=1; extra == 'more'", "gamma >> 1", "delta"])
    assert [one.name for one in read_metadata(wheel).requires] == ["beta", "delta"]


@pytest.mark.parametrize(
    "hostile",
    [
        "beta; os_name ~= 'x'",
        "beta; " + "(" * 200 + "os_name == 'x'" + ")" * 200,
        "beta>=" + "1" * 100_000,
        "beta===\x1b[2J; extra == 'none'",
    ],
    ids=["comparison", "nesting", "length", "control"],
)
def test_hostile_requirements_of_a_wheel_harm_nothing(vendored: Shelf, house: House, hostile: str) -> None:
    vendored.wheel("alpha", requires=["missing===\x07here", hostile])
    for fault in house.fails("alpha", vendored=vendored.folder, offline=True):
        assert fault.message.isprintable()
        assert len(fault.message) < 1000


def test_a_wheel_that_vanishes_is_broken(vendored: Shelf) -> None:
    wheel = identify(vendored.wheel("alpha"))
    wheel.path.unlink()
    with pytest.raises(BrokenWheelError, match="cannot be read"):
        check(wheel)


def test_the_closest_tag_and_the_highest_build_rank_first(vendored: Shelf) -> None:
    names = ["cp311-cp311-linux_x86_64", "cp311-abi3-linux_x86_64", "py3-none-any"]
    ranks = [identify(Path(f"alpha-1.0-{tag}.whl")).rank for tag in names]
    assert ranks == sorted(ranks, reverse=True)
    assert identify(Path("alpha-1.0-2-py3-none-any.whl")).rank > identify(Path("alpha-1.0-py3-none-any.whl")).rank
    assert wheels.tag_rank("alpha-1.0-cp38-cp38-win_amd64.whl") is None
    assert wheels.tag_rank("alpha.whl") is None
