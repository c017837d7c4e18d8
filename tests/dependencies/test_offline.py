"""Without any network: what is at hand is installed, and what is not is named file by file."""

import re
from pathlib import Path

import pytest

from cadence.dependencies.command import IndexOptions
from cadence.dependencies.host import preloaded
from tests.dependencies.planning import House, archive, pins
from tests.dependencies.shelf import Shelf, SilentIndex
from tests.dependencies.web_index import WebIndex

HERE = r"Python 3\.\d+ on \w+ \w+"
COMPILED = r"cp\d+-cp\d+-\S+"


@pytest.fixture
def vendored(tmp_path: Path) -> Shelf:
    return archive(tmp_path / "archive")


@pytest.fixture
def away(house: House, web: WebIndex) -> House:
    """Would ask an index if it might."""
    return House(house.environments.path("x").parent.parent, web.options)


def test_vendored_wheels_are_installed_without_any_network(
    vendored: Shelf, shelf: Shelf, away: House, web: WebIndex
) -> None:
    shelf.wheel("alpha", "2.0")
    vendored.wheel("alpha", requires=["beta", "pydantic>=2"])
    vendored.wheel("beta")
    planned = away.plan("alpha", vendored=vendored.folder, offline=True)
    assert pins(planned) == ["alpha==1.0", "beta==1.0"]
    provided = away.provide(planned, offline=True)
    assert provided.path is not None
    assert (provided.path / "beta").is_dir()
    assert web.asked == []


def test_every_missing_wheel_is_named_with_who_needs_it_and_its_file(
    vendored: Shelf, shelf: Shelf, away: House, web: WebIndex
) -> None:
    shelf.wheel("delta")
    vendored.wheel("alpha", requires=["beta>=2,<3", "gamma==1.5; python_version > '3'", "never; extra == 'more'"])
    vendored.wheel("beta", "1.0", requires=["unreached"])
    faults = away.fails("alpha[other]>=1", "delta", vendored=vendored.folder, offline=True)
    assert {fault.code for fault in faults} == {"missing_wheel"}
    assert [fault.culprit for fault in faults] == ["delta", "alpha[other]>=1", "alpha[other]>=1"]
    delta, beta, gamma = (fault.message for fault in faults)
    assert re.fullmatch(
        rf"No wheel of delta is at hand \(the plugin needs it\)\. For {HERE} that is a file "
        rf"delta-<version>-py3-none-any\.whl \(with compiled code delta-<version>-{COMPILED}\.whl\)\. Pack the plugin "
        r"with its wheels \(`flask plugins pack --with-wheels`\), or put the file into the wheelhouse\.",
        delta,
    )
    assert beta.startswith("No wheel of beta<3,>=2 is at hand (alpha 1.0 needs it). ")
    assert "gamma-1.5-py3-none-any.whl" in gamma
    assert web.asked == []


def test_a_wheel_for_another_platform_is_told_with_the_name_of_the_one_here(vendored: Shelf, away: House) -> None:
    vendored.wheel("alpha", "1.0", tag="cp38-cp38-win_amd64")
    (fault,) = away.fails("alpha==1.0", vendored=vendored.folder, offline=True)
    assert re.search(rf"For {HERE} that is a file alpha-1\.0-{COMPILED}\.whl\. ", fault.message)
    assert "alpha-1.0-cp38-cp38-win_amd64.whl is for another Python or platform. " in fault.message


def test_the_extras_of_a_wheel_and_of_what_the_host_has_are_followed(vendored: Shelf, away: House) -> None:
    vendored.wheel("alpha", requires=["beta; extra == 'more'"])
    faults = away.fails("alpha[more]", vendored=vendored.folder, offline=True)
    assert [fault.message.split(" is at hand")[0] for fault in faults] == ["No wheel of beta"]
    host = [line for line in preloaded() if line.startswith(("pydantic==", "cadence-sdk=="))]
    (fault,) = away.fails("pydantic[email]", offline=True, constraints=host)
    assert fault.message.startswith("No wheel of email-validator")
    assert fault.culprit == "pydantic[email]"


def test_two_that_need_what_no_wheel_meets_are_both_told(vendored: Shelf, away: House) -> None:
    vendored.wheel("alpha", requires=["beta>=2"])
    vendored.wheel("gamma", requires=["beta>=3"])
    vendored.wheel("beta", "2.0")
    (fault,) = away.fails("alpha", "gamma", vendored=vendored.folder, offline=True)
    assert fault.message.startswith("No wheel of beta>=2,>=3 is at hand (alpha 1.0 and gamma 1.0 need it). ")


def test_what_was_downloaded_before_is_used(shelf: Shelf, away: House, web: WebIndex) -> None:
    shelf.wheel("alpha")
    away.provide(away.plan("alpha"))
    away.environments.collect(set)
    asked = len(web.asked)
    planned = away.plan("alpha", offline=True)
    assert away.provide(planned, offline=True).path is not None
    assert len(web.asked) == asked


def test_what_was_downloaded_before_is_not_missing(shelf: Shelf, away: House, web: WebIndex) -> None:
    shelf.wheel("alpha")
    away.plan("alpha")
    faults = away.fails("alpha", "beta", offline=True)
    assert [fault.culprit for fault in faults] == ["beta"]


def test_a_wheel_that_was_resolved_but_not_downloaded_is_named(shelf: Shelf, away: House, web: WebIndex) -> None:
    shelf.wheel("alpha")
    shelf.wheel("beta", requires=["alpha"])
    away.plan("beta")
    asked = len(web.asked)
    planned = away.plan("beta", offline=True)
    assert pins(planned) == ["alpha==1.0", "beta==1.0"]
    faults = away.fails("beta", offline=True)
    assert {fault.code for fault in faults} == {"missing_wheel"}
    assert all(f"{fault.message.split()[3].replace('==', '-')}-py3-none-any.whl" in fault.message for fault in faults)
    assert len(web.asked) == asked


def test_an_environment_that_is_there_is_used_without_any_wheel(shelf: Shelf, away: House) -> None:
    shelf.wheel("alpha")
    first = away.provide(away.plan("alpha"))
    again = away.plan("alpha", offline=True, options=IndexOptions(no_index=True))
    assert again.plan.ready
    assert away.provide(again, offline=True).key == first.key


def test_an_isolated_plugin_is_told_what_the_sdk_needs(
    vendored: Shelf, away: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence.dependencies.isolation.requires", lambda _: ["core>=1.0"])
    vendored.wheel("pydantic", "2.0")
    (fault,) = away.fails("pydantic<2.5", vendored=vendored.folder, offline=True)
    assert fault.culprit == "pydantic<2.5"
    assert fault.message.startswith("No wheel of core>=1.0 is at hand (cadence-sdk needs it). ")
    assert "The plugin needs pydantic<2.5, this server provides pydantic 2.14.3 to every plugin." in fault.message
    vendored.wheel("core", "1.0")
    planned = away.plan("pydantic<2.5", vendored=vendored.folder, offline=True)
    assert pins(planned) == ["core==1.0", "pydantic==2.0"]
    assert away.provide(planned, offline=True).isolated


def test_an_index_that_does_not_answer_is_told_with_the_files_that_would_do_without_it(
    vendored: Shelf, house: House, silent: SilentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    silent.close()
    vendored.wheel("alpha", requires=["beta", "gamma"])
    faults = house.fails("alpha", vendored=vendored.folder, options=silent.options)
    assert [fault.code for fault in faults] == ["index_unreachable", "missing_wheel", "missing_wheel"]
    assert "does not answer" in faults[0].message
    assert [fault.message.split()[3] for fault in faults[1:]] == ["beta", "gamma"]


def test_an_index_that_does_not_answer_is_all_there_is_to_say_where_nothing_was_vendored(
    house: House, silent: SilentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    silent.close()
    (fault,) = house.fails("alpha", options=silent.options)
    assert fault.code == "index_unreachable"


def test_a_conflict_among_what_is_at_hand_is_told_as_one(vendored: Shelf, away: House) -> None:
    vendored.wheel("alpha", requires=["beta<2"])
    vendored.wheel("gamma", requires=["beta>=2"])
    vendored.wheel("beta", "1.0")
    vendored.wheel("beta", "2.0")
    (fault,) = away.fails("alpha", "gamma", vendored=vendored.folder, offline=True)
    assert "beta<2" in fault.message
    assert "beta>=2" in fault.message
