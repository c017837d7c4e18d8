"""The index of versions: what is installed, what is active, and when the generation rises."""

import pytest
from msgspec import structs

from cadence.errors import NotFound, ValidationFailed
from cadence.model import PluginRef, VersionRecord
from cadence.storage.commits import Publication
from cadence.storage.index import Index
from cadence.storage.versions import ActiveInstall, highest
from tests.storage.house import record_of


def install(index: Index, record: VersionRecord, activate: bool | None = None) -> Publication:
    index.commit_version(record, activate)
    return index.mark_published(record.ref, record.install_id)


def put(
    index: Index, name: str, version: str, activate: bool | None = None, metadata_name: str | None = None
) -> Publication:
    record = record_of(PluginRef(name, version), f"{name}-{version}", metadata_name=metadata_name)
    return install(index, record, activate)


def active_version(index: Index, name: str) -> str | None:
    record = index.active().get(name)
    return record.ref.version if record else None


def test_a_version_is_read_back_as_it_was_written(index: Index) -> None:
    record = record_of(PluginRef("my-plugin", "1.0.0-rc.1"), environment="e" * 64)
    install(index, record)
    (found,) = index.versions()
    assert found.active
    assert found.activated_at is not None
    assert structs.replace(found, active=False, activated_at=None) == record


def test_a_commit_shows_nothing_until_it_is_published(index: Index) -> None:
    ref = PluginRef("math", "1.0")
    before = index.generation()
    index.commit_version(record_of(ref, "i1"))
    assert (index.version(ref), index.active(), index.generation()) == (None, {}, before)
    index.mark_published(ref, "i1")
    assert (index.active_installs(), index.generation()) == ({"math": ActiveInstall("1.0", "i1")}, before + 1)


def test_an_overwrite_shows_the_old_install_until_it_is_published(index: Index) -> None:
    ref = PluginRef("math", "1.0")
    install(index, record_of(ref, "old"))
    publication = index.commit_version(record_of(ref, "new"))
    assert publication == Publication(previous_version="1.0", activated=True, replaced=True)
    assert index.active_installs() == {"math": ActiveInstall("1.0", "old")}
    index.mark_published(ref, "new")
    assert index.active_installs() == {"math": ActiveInstall("1.0", "new")}


def test_an_abandoned_commit_leaves_everything_as_it_was(index: Index) -> None:
    ref = PluginRef("math", "1.0")
    install(index, record_of(ref, "old"))
    generation = index.generation()
    index.commit_version(record_of(ref, "new"))
    index.abandon_publication(ref, "new")
    assert (index.pending_changes(), index.generation()) == ([], generation)
    with pytest.raises(NotFound):
        index.mark_published(ref, "new")
    assert index.active_installs() == {"math": ActiveInstall("1.0", "old")}


def test_the_highest_version_is_found_by_number_and_not_by_letter() -> None:
    assert highest(["9.0", "10.0", "10.0rc1", "2.0"]) == "10.0"
    assert highest([]) is None


@pytest.mark.parametrize(
    ("installed", "then", "activate", "active"),
    [
        ([], "1.0", None, "1.0"),
        (["9.0"], "10.0", None, "10.0"),
        (["2.0"], "1.0", None, "2.0"),
        (["2.0"], "1.0", True, "1.0"),
        (["1.0"], "2.0", False, "1.0"),
        ([], "1.0", False, None),
        (["1.0"], "1.0", False, "1.0"),
        (["1.0"], "2.0rc1", None, "2.0rc1"),
    ],
)
def test_which_version_is_active_after_an_install(
    index: Index, installed: list[str], then: str, activate: bool | None, active: str | None
) -> None:
    for version in installed:
        put(index, "math", version)
    previous = active_version(index, "math")
    publication = put(index, "math", then, activate)
    assert active_version(index, "math") == active
    assert publication.previous_version == previous
    assert publication.activated == (active == then)


def test_versions_are_listed_by_name_the_highest_first(index: Index) -> None:
    for name, version in [("b", "1.0"), ("a", "9.0"), ("a", "10.0")]:
        put(index, name, version)
    assert [record.ref.slug for record in index.versions()] == ["a-10.0", "a-9.0", "b-1.0"]
    assert [record.ref.version for record in index.versions_of("a")] == ["10.0", "9.0"]
    assert index.versions_of("c") == []


def test_an_activation_answers_what_was_active_and_raises_the_generation(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    generation = index.generation()
    assert index.activate("math", "1.0").previous_version == "2.0"
    assert (active_version(index, "math"), index.generation()) == ("1.0", generation + 1)


def test_what_is_not_installed_is_neither_activated_nor_removed(index: Index) -> None:
    put(index, "math", "1.0")
    generation = index.generation()
    with pytest.raises(NotFound, match=r"math 3\.0 is not installed"):
        index.activate("math", "3.0")
    with pytest.raises(NotFound, match=r"math 3\.0 is not installed"):
        index.remove(PluginRef("math", "3.0"))
    assert index.generation() == generation


def test_removing_the_active_version_falls_back_to_the_highest_of_the_others(index: Index) -> None:
    for version in ("9.0", "10.0", "11.0"):
        put(index, "math", version)
    generation = index.generation()
    assert index.remove(PluginRef("math", "11.0")) == "10.0"
    assert (active_version(index, "math"), index.generation()) == ("10.0", generation + 1)


def test_removing_another_version_leaves_the_active_one(index: Index) -> None:
    put(index, "math", "1.0")
    put(index, "math", "2.0")
    assert index.remove(PluginRef("math", "1.0")) is None
    assert active_version(index, "math") == "2.0"


def test_removing_the_last_version_removes_the_plugin(index: Index) -> None:
    put(index, "math", "1.0")
    assert index.remove(PluginRef("math", "1.0")) is None
    assert (index.versions(), index.active()) == ([], {})


def test_two_active_plugins_cannot_share_a_metadata_name(index: Index) -> None:
    put(index, "math_agent", "1.0", metadata_name="mathematics")
    with pytest.raises(ValidationFailed, match="math_agent") as refused:
        put(index, "other", "1.0", metadata_name="mathematics")
    (fault,) = refused.value.faults
    assert (fault.code, fault.culprit) == ("metadata_name_taken", "math_agent")
    assert (index.versions_of("other"), index.pending_changes()) == ([], [])


def test_a_commit_that_waits_holds_its_metadata_name(index: Index) -> None:
    index.commit_version(record_of(PluginRef("first", "1.0"), metadata_name="shared"))
    with pytest.raises(ValidationFailed, match="first"):
        index.commit_version(record_of(PluginRef("second", "1.0"), metadata_name="shared"))


def test_an_inactive_version_may_have_any_metadata_name_but_cannot_be_activated_with_it(index: Index) -> None:
    put(index, "first", "1.0", metadata_name="shared")
    put(index, "second", "1.0", activate=False, metadata_name="shared")
    with pytest.raises(ValidationFailed, match="first"):
        index.activate("second", "1.0")
    index.remove(PluginRef("first", "1.0"))
    index.activate("second", "1.0")
    assert set(index.active()) == {"second"}


def test_a_fallback_passes_over_a_version_whose_metadata_name_is_taken(index: Index) -> None:
    put(index, "first", "1.0", metadata_name="own")
    put(index, "first", "2.0", metadata_name="shared")
    put(index, "first", "3.0", metadata_name="new")
    put(index, "second", "1.0", metadata_name="shared")
    assert index.remove(PluginRef("first", "3.0")) == "1.0"


def test_a_new_version_may_change_the_metadata_name_and_frees_the_old_one(index: Index) -> None:
    put(index, "first", "1.0", metadata_name="old")
    put(index, "first", "2.0", metadata_name="new")
    put(index, "second", "1.0", metadata_name="old")
    assert set(index.active()) == {"first", "second"}


def test_the_environments_in_use_include_those_of_a_commit_that_waits(index: Index) -> None:
    install(index, record_of(PluginRef("a", "1.0"), environment="one"))
    install(index, record_of(PluginRef("b", "1.0")))
    index.commit_version(record_of(PluginRef("c", "1.0"), environment="two"))
    assert index.environments() == {"one", "two"}


def test_a_reload_is_a_generation_that_is_remembered(index: Index) -> None:
    assert index.reload_generation() == 0
    generation = index.request_reload()
    put(index, "math", "1.0")
    assert (index.reload_generation(), index.generation()) == (generation, generation + 1)
