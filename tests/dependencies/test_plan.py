"""What is said of a plugin's dependencies before anything is installed, and what of it is remembered."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cadence.dependencies.command import Output, Uv
from cadence.dependencies.lock import Lock, Package
from cadence.dependencies.sizes import measured
from cadence.dependencies.sources import Vendored, opened
from tests.dependencies.planning import House, archive, pins
from tests.dependencies.shelf import Shelf
from tests.dependencies.web_index import WebIndex


def no_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Uv, *arguments: str, stdin: str, packages: int = 0) -> Output:
        raise AssertionError(arguments)

    monkeypatch.setattr(Uv, "run", run)


def test_a_plan_tells_what_is_added_what_is_there_and_for_which_requirement(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha")
    shelf.wheel("beta", requires=["alpha"])
    plan = house.plan("beta>=1", "pydantic>2", "cadence_sdk>=1.3.1", "other; python_version < '3'").plan
    assert [(one.name, one.version, one.requirement) for one in plan.added] == [
        ("alpha", "1.0", "beta>=1"),
        ("beta", "1.0", "beta>=1"),
    ]
    assert plan.provided == ("pydantic==2.14.3", "cadence-sdk==1.4.0")
    assert plan.isolated == ()
    assert not plan.ready


def test_a_plan_is_ready_once_its_environment_is_there(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha")
    provided = house.provide(house.plan("alpha"))
    plan = house.plan("alpha").plan
    assert plan.ready
    assert plan.environment == provided.key
    assert plan.size_bytes == 0


def test_what_needs_no_package_needs_no_environment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    no_uv(monkeypatch)
    planned = house.plan("pydantic>=2")
    assert planned.lock == Lock()
    assert planned.plan.environment is None
    assert planned.plan.ready
    assert house.memory.locks == {}


def test_a_second_plan_runs_no_uv(shelf: Shelf, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.wheel("alpha")
    first = house.plan("alpha")
    house.provide(first)
    no_uv(monkeypatch)
    second = house.plan("alpha")
    assert second == msgspec.structs.replace(first, plan=msgspec.structs.replace(first.plan, ready=True))
    house.provide(second)


def test_the_lock_stays_the_same_until_an_upgrade_is_asked_for(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha", "1.0")
    assert pins(house.plan("alpha")) == ["alpha==1.0"]
    shelf.wheel("alpha", "2.0")
    assert pins(house.plan("alpha")) == ["alpha==1.0"]
    assert pins(house.plan("alpha", upgrade=True)) == ["alpha==2.0"]
    assert pins(house.plan("alpha")) == ["alpha==2.0"]


@pytest.mark.parametrize(
    "change",
    [
        {"constraints": ("cadence-sdk==1.4.0", "pydantic==2.14.2")},
        {"allow_sdist": True, "workshop": lambda order: None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_a_resolution_is_resolved_anew(shelf: Shelf, house: House, change: dict[str, Any]) -> None:
    shelf.wheel("alpha", "1.0")
    house.plan("alpha")
    shelf.wheel("alpha", "2.0")
    assert pins(house.plan("alpha", **change)) == ["alpha==2.0"]


def test_other_requirements_are_other_inputs_and_their_order_is_not(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha")
    shelf.wheel("beta")
    house.plan("alpha", "beta")
    house.plan("beta", "alpha")
    assert len(house.memory.locks) == 1
    house.plan("alpha>=1", "beta")
    assert len(house.memory.locks) == 2


def test_a_lock_that_cannot_be_read_any_more_is_resolved_anew(shelf: Shelf, house: House) -> None:
    shelf.wheel("alpha")
    first = house.plan("alpha")
    for unreadable in ("", "{", "[]", '{"packages": [{"name": 1}]}', '{"packages": []}', "[" * 100_000):
        house.memory.locks = dict.fromkeys(house.memory.locks, unreadable)
        assert house.plan("alpha") == first
    assert house.memory.locks.keys() == {next(iter(house.memory.locks))}


def test_a_lock_that_another_plugin_came_to_is_traced_to_the_requirements_of_this_one(
    shelf: Shelf, house: House
) -> None:
    shelf.wheel("alpha")
    shelf.wheel("beta", requires=["alpha"])
    house.plan("beta>=1.0")
    kept = next(iter(house.memory.locks.values()))
    other = house.plan("beta>0", "alpha<9")
    # The index keeps one lock of each environment: the first that came to it.
    house.memory.locks = dict.fromkeys(house.memory.locks, kept)
    assert (
        house.plan("beta>0", "alpha<9").lock.culprits == other.lock.culprits == {"alpha": "alpha<9", "beta": "beta>0"}
    )


def test_sizes_are_those_that_the_index_tells_and_identify_nothing(shelf: Shelf, house: House, web: WebIndex) -> None:
    wheel = shelf.wheel("alpha")
    plain, sized = (house.plan("alpha", sizes=sizes, options=web.options) for sizes in (False, True))
    assert [one.size_bytes for one in sized.plan.added] == [wheel.stat().st_size]
    assert sized.plan.size_bytes == wheel.stat().st_size
    assert plain.plan.size_bytes is None
    assert (sized.lock.key, sized.lock.text) == (plain.lock.key, plain.lock.text)
    assert "size" not in msgspec.json.decode(next(iter(house.memory.locks.values())))["packages"][0] or (
        msgspec.json.decode(next(iter(house.memory.locks.values())))["packages"][0]["size_bytes"] is None
    )


def test_of_several_wheels_the_size_is_that_of_the_one_that_fits_best(
    shelf: Shelf, house: House, web: WebIndex
) -> None:
    shelf.wheel("alpha", tag="py3-none-any")
    shelf.wheel("alpha", tag="cp38-cp38-win_amd64", files={"alpha/dll": "x" * 1000})
    best = shelf.wheel("alpha", tag="cp311-abi3-linux_x86_64", files={"alpha/native": "x" * 100})
    assert house.plan("alpha", sizes=True, options=web.options).plan.size_bytes == best.stat().st_size


def test_the_size_of_a_wheel_at_hand_is_that_of_its_file(house: House, tmp_path: Path) -> None:
    wheel = archive(tmp_path / "archive").wheel("alpha")
    planned = house.plan("alpha", vendored=wheel.parent, sizes=True)
    assert planned.plan.size_bytes == wheel.stat().st_size


@pytest.mark.parametrize("stdout", ["", "[", "packages = 1", "[[packages]]\nname = 'alpha'\nwheels = [{}]\n"])
def test_sizes_that_cannot_be_found_out_are_not_known(tmp_path: Path, stdout: str) -> None:
    class Answering(Uv):
        def run(self, *arguments: str, stdin: str, packages: int = 0) -> Output:
            return Output(0, stdout, "")

    lock = Lock((Package("alpha", "1.0", ("sha256:" + "0" * 64,), "alpha"),))
    with opened(Vendored({}), None) as sources:
        assert measured(lock, sources, Answering(idle_seconds=1)) == lock


def test_the_address_of_the_index_is_in_no_line_no_lock_and_no_plan(shelf: Shelf, house: House, web: WebIndex) -> None:
    shelf.wheel("alpha")
    planned = house.plan("alpha", sizes=True, options=web.options)
    log = house.log
    house.provide(planned, options=web.options)
    told = " ".join([log, house.log, repr(planned), *house.memory.locks.values()])
    assert hashlib.sha256(next(shelf.folder.iterdir()).read_bytes()).hexdigest() in told
    for secret in (web.host, "reader", "secret", "http"):
        assert secret not in told
