"""Grants in the index: of a name, from before its first version, if need be, until its last is removed."""

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec import structs

from cadence.errors import InvalidGrants
from cadence.model import Endpoint, Granted, Grants, PluginRef
from cadence.storage.database import utc_now
from cadence.storage.grants import MAX_NAMES_AHEAD
from cadence.storage.index import Index
from tests.storage.house import record_of

ONE, TWO = PluginRef("demo", "1.0"), PluginRef("demo", "2.0")
GRANTS = Grants(network=(Endpoint("api.example.com", 443), Endpoint("db", 1, private=True)), env={"KEY": "s3cret"})


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.open(tmp_path / "index.db") as index:
        yield index


def publish(index: Index, ref: PluginRef) -> None:
    record = structs.replace(record_of(ref, f"{ref.slug} {utc_now()}"))
    index.commit_version(record)
    index.mark_published(ref, record.install_id)


def test_a_plugin_begins_with_none(index: Index) -> None:
    publish(index, ONE)
    assert index.granted("demo") == Granted()
    assert index.active()["demo"].grants_revision == 0


def test_what_is_put_is_found_again_and_raises_the_generation(index: Index) -> None:
    publish(index, ONE)
    before = index.generation()
    put = index.put_grants("demo", GRANTS)
    assert index.granted("demo") == put == Granted(GRANTS, before + 1)
    assert index.generation() == before + 1
    assert index.active()["demo"].grants_revision == put.revision
    again = index.put_grants("demo", Grants())
    assert index.granted("demo") == again
    assert again.revision > put.revision


def test_a_name_that_is_not_installed_has_them_until_it_is(index: Index) -> None:
    put = index.put_grants("demo", GRANTS)
    assert index.granted("demo") == put == Granted(GRANTS, index.generation())
    publish(index, ONE)
    assert index.granted("demo") == put
    assert index.active()["demo"].grants_revision == put.revision


def test_an_install_that_is_taken_back_leaves_what_was_given_ahead(index: Index) -> None:
    put = index.put_grants("demo", GRANTS)
    record = record_of(ONE, "some")
    index.commit_version(record)
    index.abandon_publication(ONE, record.install_id)
    assert index.granted("demo") == put


def test_no_grants_remove_what_was_given_ahead_and_later_ones_have_another_revision(index: Index) -> None:
    put = index.put_grants("demo", GRANTS)
    assert index.put_grants("demo", Grants()) == index.granted("demo") == Granted()
    assert index.database.rows("SELECT * FROM grants") == []
    assert index.put_grants("demo", GRANTS).revision > put.revision


def test_names_with_grants_are_listed_installed_or_not(index: Index) -> None:
    publish(index, ONE)
    index.put_grants("demo", GRANTS)
    index.put_grants("demo", Grants())
    ahead = index.put_grants("ahead", GRANTS)
    assert index.all_granted() == {"ahead": ahead}
    put = index.put_grants("demo", Grants(threads=64))
    assert index.all_granted() == {"ahead": ahead, "demo": put}


def test_a_bounded_number_of_names_that_are_not_installed_has_grants(index: Index) -> None:
    publish(index, ONE)
    index.put_grants("demo", GRANTS)
    for number in range(MAX_NAMES_AHEAD):
        index.put_grants(f"ahead{number}", GRANTS)
    before = index.generation()
    with pytest.raises(InvalidGrants, match=str(MAX_NAMES_AHEAD)):
        index.put_grants("another", GRANTS)
    assert (index.granted("another"), index.generation()) == (Granted(), before)
    index.put_grants("demo", Grants(threads=64))
    index.put_grants("ahead7", Grants(threads=64))
    publish(index, PluginRef("ahead7", "1.0"))
    index.put_grants("another", GRANTS)


def test_the_last_version_takes_them_in_its_own_transaction(index: Index) -> None:
    publish(index, ONE)
    put = index.put_grants("demo", GRANTS)
    with suppress(RuntimeError), index.database.atomic():
        index.remove(ONE)
        assert index.granted("demo") == Granted()
        raise RuntimeError
    assert index.granted("demo") == put
    index.forget(ONE)
    assert index.database.rows("SELECT * FROM grants") == []


def test_they_outlive_an_upgrade_and_go_with_the_last_version(index: Index) -> None:
    publish(index, ONE)
    put = index.put_grants("demo", GRANTS)
    publish(index, TWO)
    publish(index, TWO)
    index.remove(ONE)
    assert index.granted("demo") == put
    index.remove(TWO)
    assert index.granted("demo") == Granted()
    publish(index, ONE)
    assert index.granted("demo") == Granted()


def test_those_of_a_later_plugin_of_the_same_name_have_another_revision(index: Index) -> None:
    publish(index, ONE)
    put = index.put_grants("demo", GRANTS)
    index.remove(ONE)
    publish(index, ONE)
    assert index.put_grants("demo", GRANTS).revision > put.revision


def test_the_files_of_the_index_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.touch(0o644)
    path.chmod(0o644)
    with Index.open(path) as index:
        publish(index, ONE)
        index.put_grants("demo", GRANTS)
        files = sorted(tmp_path.glob("index.db*"))
        assert {file.name for file in files} >= {"index.db", "index.db-wal", "index.db-shm"}
        assert {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in files} == {
            file.name: oct(0o600) for file in files
        }
