"""A plugin that conflicts with what workers have preloaded gets everything by itself."""

import subprocess
import sys

import pytest

from cadence.dependencies.command import IndexOptions
from cadence.dependencies.host import preloaded
from cadence.dependencies.isolation import sdk_needs
from tests.dependencies.planning import House, pins
from tests.dependencies.shelf import Shelf

HOST = ("cadence-sdk==1.4.0", "core==2.0", "leaf==1.0")
WHY = "The plugin needs core<2, this server provides core 2.0 to every plugin."


@pytest.fixture
def host(house: House, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> House:
    """Of a host whose SDK needs core, which needs leaf; there are two of each to choose from."""
    monkeypatch.setattr(
        "cadence.dependencies.isolation.requires", lambda _: ["core>=1.0", "winner; sys_platform == 'win32'"]
    )
    for version in ("0.5", "1.0", "1.5", "2.0"):
        shelf.wheel("core", version, requires=["leaf"])
    shelf.wheel("leaf", "1.0")
    shelf.wheel("leaf", "2.0")
    return house


def test_a_conflict_with_what_is_preloaded_isolates_and_says_why(host: House) -> None:
    planned = host.plan("core<2", constraints=HOST)
    assert planned.plan.isolated == planned.lock.isolated == (WHY,)
    assert pins(planned) == ["core==1.5", "leaf==1.0"]
    assert planned.plan.provided == ()
    assert planned.installed == ("core<2",)
    assert WHY in host.log


def test_an_isolated_plugin_gets_all_that_the_sdk_needs_too(shelf: Shelf, host: House) -> None:
    shelf.wheel("other", requires=["leaf>=2"])
    planned = host.plan("other", "cadence-sdk>=1.3.1", constraints=HOST)
    assert planned.lock.isolated == ("other needs leaf>=2, this server provides leaf 1.0 to every plugin.",)
    assert planned.lock.culprits == {"core": "cadence-sdk", "leaf": "other", "other": "other"}
    # What the host has is preferred where it fits: the SDK is known to work with it.
    assert pins(planned) == ["core==2.0", "leaf==2.0", "other==1.0"]


def test_the_environment_of_an_isolated_plugin_is_whole(host: House) -> None:
    planned = host.plan("core<2", constraints=HOST)
    provided = host.provide(planned, constraints=HOST)
    assert provided.isolated
    assert provided.path is not None
    program = (
        f"import sys; sys.path.insert(0, {str(provided.path)!r}); import core, leaf; print(core.version, leaf.version)"
    )
    assert subprocess.check_output([sys.executable, "-I", "-c", program], text=True) == "1.5 1.0\n"


def test_every_conflict_is_among_the_reasons(host: House) -> None:
    planned = host.plan("core<2", "leaf>=2", constraints=HOST)
    assert planned.lock.isolated == (
        WHY,
        "The plugin needs leaf>=2, this server provides leaf 1.0 to every plugin.",
    )


def test_a_remembered_lock_is_isolated_for_the_reason_of_this_plugin(host: House) -> None:
    host.plan("core<2", constraints=HOST)
    kept = next(iter(host.memory.locks.values()))
    other = host.plan("core<1.9", constraints=HOST)
    host.memory.locks = dict.fromkeys(host.memory.locks, kept)
    again = host.plan("core<1.9", constraints=HOST)
    assert again.lock.isolated == other.lock.isolated == (WHY.replace("core<2", "core<1.9"),)
    assert again.lock.key == other.lock.key


def test_what_the_sdk_needs_is_named_where_it_is_the_reason(host: House) -> None:
    (fault,) = host.fails("core<1", constraints=HOST)
    assert (fault.code, fault.culprit) == ("conflict", "core<1")
    assert fault.message == ("The plugin needs core<1, cadence-sdk needs core>=1.0; no version of core fits them all.")


def test_a_dependency_that_stands_against_the_sdk_is_named_with_it(shelf: Shelf, host: House) -> None:
    shelf.wheel("old", requires=["core<1"])
    (fault,) = host.fails("old", constraints=HOST)
    assert (fault.code, fault.culprit) == ("conflict", "old")
    assert fault.message == "old needs core<1, cadence-sdk needs core>=1.0; no version of core fits them all."


def test_a_version_that_does_not_exist_is_still_told_to_be_one(host: House) -> None:
    (fault,) = host.fails("core>=9", constraints=HOST)
    assert (fault.code, fault.culprit) == ("no_version", "core>=9")
    assert fault.message.startswith("The plugin needs core>=9, and there is no such version")


def test_the_sdk_itself_is_never_another_one(shelf: Shelf, host: House) -> None:
    shelf.wheel("cadence_sdk", "2.0")
    shelf.wheel("cadence_sdk", "1.4.0", requires=["nowhere"])
    faults = host.fails("core<2", "cadence-sdk>=2", constraints=HOST)
    assert [fault.culprit for fault in faults] == ["core<2", "cadence-sdk>=2"]
    assert faults[1].message.startswith("The plugin needs cadence-sdk>=2, this server provides cadence-sdk 1.4.0")
    assert pins(host.plan("core<2", "cadence-sdk>=1", constraints=HOST)) == ["core==1.5", "leaf==1.0"]


@pytest.mark.parametrize(("asked", "code"), [("nowhere", "unknown_package"), ("sourced", "only_source")])
def test_only_a_conflict_costs_a_second_resolution(shelf: Shelf, host: House, asked: str, code: str) -> None:
    shelf.source("sourced")
    (fault,) = host.fails(asked, constraints=HOST)
    assert fault.code == code
    assert host.log.count("No solution found") == 1


def test_the_sdk_needs_what_its_metadata_say() -> None:
    assert {"langchain-core", "msgspec"} <= {one.name for one in sdk_needs()}
    assert {one.name for one in sdk_needs()} <= {line.partition("==")[0] for line in preloaded()}


@pytest.mark.parametrize("asked", ["pydantic<2.8", "langchain-core<1.5"])
def test_a_real_package_older_than_the_preloaded_one_is_resolved_by_itself(house: House, asked: str) -> None:
    name = asked.partition("<")[0]
    planned = house.plan(asked, options=IndexOptions(), constraints=preloaded())
    assert len(planned.lock.isolated) == 1
    assert planned.lock.isolated[0].startswith(f"The plugin needs {asked}, this server provides {name} ")
    names = {package.name for package in planned.lock.packages}
    assert {one.name for one in sdk_needs()} | {name, "pydantic-core"} <= names
    assert "cadence-sdk" not in names
