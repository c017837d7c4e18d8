import re
from collections.abc import Sequence

import pytest

from cadence.dependencies.command import IndexOptions, Uv
from cadence.dependencies.lock import Lock
from cadence.dependencies.resolver import resolve
from cadence.errors import DependenciesFailed
from cadence.model import Fault
from tests.dependencies.shelf import Shelf, SilentIndex

HOST = ("cadence-sdk==1.4.0", "pydantic==2.14.3")


def fails(uv: Uv, *requirements: str, host: Sequence[str] = HOST) -> Fault:
    """The one fault with which these are refused; its sentence is checked."""
    with pytest.raises(DependenciesFailed) as caught:
        resolve(requirements, host, uv)
    (fault,) = caught.value.faults
    assert caught.value.details == f"Failed to install: {fault.culprit}: {fault.message}"
    assert fault.stage == "dependencies"
    return fault


def test_a_requirement_becomes_a_pinned_line_with_hashes_and_no_index(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", "1.0")
    shelf.wheel("alpha", "2.0")
    lock = resolve(["Alpha<2"], HOST, uv)
    assert re.fullmatch(r"alpha==1\.0 --hash=sha256:[0-9a-f]{64}\n", lock.text)


def test_what_a_requirement_needs_is_locked_with_it_and_traced_to_it(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha")
    shelf.wheel("middle", requires=["alpha"])
    shelf.wheel("beta", requires=["middle"])
    shelf.wheel("other")
    lock = resolve(["other", "beta>=1"], HOST, uv)
    assert lock.culprits == {"alpha": "beta>=1", "beta": "beta>=1", "middle": "beta>=1", "other": "other"}


def test_equal_packages_have_one_key_and_others_another(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", "1.0")
    shelf.wheel("alpha", "2.0")
    first, same, other = (resolve([one], HOST, uv) for one in ("alpha<2", "alpha==1.0", "alpha"))
    assert first.key == same.key
    assert first.key != other.key


def test_what_the_host_provides_needs_no_resolution_at_all() -> None:
    class NoUv(Uv):
        def run(self, *arguments: str, stdin: str) -> None:  # type: ignore[override]  # it must not be called
            raise AssertionError(arguments)

    lock = resolve(
        ["cadence_sdk>=1.3.1,<2.0.0", "pydantic>=2", "colorama; sys_platform == 'win32'"], HOST, NoUv(idle_seconds=1)
    )
    assert lock == Lock()
    assert lock.key is None


def test_a_dependency_that_the_host_provides_is_left_out_of_the_lock(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("pydantic", "2.14.3")
    shelf.wheel("pydantic", "2.15")
    shelf.wheel("beta", requires=["pydantic>=2"])
    assert list(resolve(["beta"], HOST, uv).culprits) == ["beta"]


def test_extras_of_a_provided_package_are_installed(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("pydantic", "2.14.3", requires=["alpha; extra == 'more'"])
    shelf.wheel("alpha")
    assert resolve(["pydantic[more]"], HOST, uv).culprits == {"alpha": "pydantic[more]"}


def test_the_sdk_is_never_taken_from_an_index(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("cadence_sdk", "1.4.0", requires=["alpha"])
    shelf.wheel("alpha")
    shelf.wheel("beta", requires=["cadence-sdk>=1"])
    assert list(resolve(["beta"], HOST, uv).culprits) == ["beta"]


def test_an_sdk_that_the_host_does_not_have_is_a_conflict(uv: Uv) -> None:
    fault = fails(uv, "cadence-sdk>=2")
    assert fault.code == "conflicts_with_host"
    assert fault.message == "The plugin needs cadence-sdk>=2, this server provides cadence-sdk 1.4.0 to every plugin."


def test_every_requirement_that_conflicts_with_the_host_is_named_at_once(uv: Uv) -> None:
    with pytest.raises(DependenciesFailed) as caught:
        resolve(["pydantic<2", "cadence-sdk>=2"], HOST, uv)
    assert [fault.culprit for fault in caught.value.faults] == ["pydantic<2", "cadence-sdk>=2"]
    assert caught.value.details[0].startswith("Failed to install: pydantic<2: ")


def test_a_dependency_that_conflicts_with_the_host_is_told_with_who_needs_it(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("pydantic", "1.9")
    shelf.wheel("pydantic", "2.14.3")
    shelf.wheel("alpha")
    shelf.wheel("beta", requires=["pydantic<2"])
    fault = fails(uv, "alpha", "beta>=1")
    assert (fault.code, fault.culprit) == ("conflicts_with_host", "beta>=1")
    assert fault.message == "beta needs pydantic<2, this server provides pydantic 2.14.3 to every plugin."


def test_an_unknown_name_is_said_to_be_one(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha")
    fault = fails(uv, "alpha", "nowhere>=1")
    assert (fault.code, fault.culprit) == ("unknown_package", "nowhere>=1")
    assert fault.message == "There is no package named nowhere in the package index."


def test_an_unknown_name_further_down_is_told_with_who_needs_it(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", requires=["nowhere>=3"])
    fault = fails(uv, "alpha")
    assert (fault.code, fault.culprit) == ("unknown_package", "alpha")
    assert fault.message == "There is no package named nowhere in the package index (alpha needs nowhere>=3)."


@pytest.mark.parametrize("asked", ["alpha>=3", "alpha==3"])
def test_a_version_that_does_not_exist_is_told(shelf: Shelf, uv: Uv, asked: str) -> None:
    shelf.wheel("alpha", "2.0")
    fault = fails(uv, asked)
    assert (fault.code, fault.culprit) == ("no_version", asked)
    assert fault.message.startswith(f"The plugin needs {asked}, and there is no such version in the package index")


def test_of_two_requirements_on_one_package_the_one_that_names_versions_is_at_fault(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", "2.0")
    assert fails(uv, "alpha", "Alpha>=3").culprit == "Alpha>=3"


def test_a_package_without_a_wheel_is_refused_and_not_built(shelf: Shelf, uv: Uv) -> None:
    shelf.source("built")
    fault = fails(uv, "built")
    assert (fault.code, fault.culprit) == ("only_source", "built")
    assert "only has a source distribution" in fault.message
    assert not (shelf.folder.parent / "ran").exists()


def test_a_wheel_for_another_platform_is_told_with_the_one_here(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", tag="cp38-cp38-win_amd64")
    fault = fails(uv, "alpha")
    assert (fault.code, fault.culprit) == ("no_wheel", "alpha")
    assert re.search(r"has no wheel for Python 3\.\d+ on \w+ \w+\.", fault.message)


def test_a_package_for_another_python_is_told(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", python=">=3.99")
    fault = fails(uv, "alpha")
    assert (fault.code, fault.culprit) == ("wrong_python", "alpha")
    assert "Python>=3.99, this server runs Python 3." in fault.message


def test_two_requirements_that_exclude_each_other_are_told(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", "1.0")
    shelf.wheel("alpha", "2.0")
    shelf.wheel("older", requires=["alpha<2"])
    shelf.wheel("newer", requires=["alpha>=2"])
    fault = fails(uv, "older", "newer")
    assert (fault.code, fault.culprit) == ("conflict", "older")
    assert fault.message == "newer needs alpha>=2, older needs alpha<2; no version of alpha fits them all."


def test_one_package_in_two_versions_is_a_conflict(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", "1.0")
    shelf.wheel("alpha", "2.0")
    assert fails(uv, "alpha==1.0", "alpha==2.0").code == "conflict"


def test_a_wheel_that_is_not_an_archive_is_told(shelf: Shelf, uv: Uv) -> None:
    (shelf.folder / "alpha-1.0-py3-none-any.whl").write_bytes(b"PK\x03\x04 and no more")
    fault = fails(uv, "alpha")
    assert (fault.code, fault.culprit) == ("broken_wheel", "alpha")
    assert fault.message == "The wheel of alpha 1.0 is damaged and cannot be unpacked."


def test_without_network_the_reason_is_the_network(shelf: Shelf) -> None:
    uv = Uv(idle_seconds=60, options=IndexOptions(offline=True, cache=shelf.options.cache))
    assert fails(uv, "alpha").code == "index_unreachable"


def test_an_index_that_says_nothing_is_given_up_after_the_idle_time(silent: SilentIndex) -> None:
    fault = fails(Uv(idle_seconds=0.5, options=silent.options), "alpha", "beta")
    assert (fault.code, fault.culprit) == ("no_progress", "alpha, beta")
    assert fault.message == "The resolver made no progress for 0.5 seconds and was ended."


@pytest.mark.parametrize(
    "hostile",
    [
        "-e .",
        "-r /etc/passwd",
        "--index-url=http://127.0.0.1",
        "./alpha",
        "alpha\n-e .",
        "alpha --hash=x",
        "",
        "alpha>=one",
        "alpha; os_name ~= 'x'",
        "alpha; " + "(" * 2000 + "os_name == 'x'" + ")" * 2000,
    ],
)
def test_what_is_not_a_requirement_is_refused_before_uv_sees_it(uv: Uv, hostile: str) -> None:
    assert fails(uv, hostile).code == "invalid_requirement"


@pytest.mark.parametrize("address", ["file:///etc", "git+https://127.0.0.1/x", "https://127.0.0.1/alpha-1.0.whl"])
def test_a_direct_reference_is_refused(uv: Uv, address: str) -> None:
    assert fails(uv, f"alpha @ {address}").code == "direct_reference"


def test_a_dependency_on_an_address_is_refused(shelf: Shelf, uv: Uv) -> None:
    shelf.wheel("alpha", requires=["beta @ https://reader:secret@127.0.0.1/beta-1.0-py3-none-any.whl"])
    fault = fails(uv, "alpha")
    assert fault.culprit == "alpha"
    assert "127.0.0.1" not in fault.message
    assert "secret" not in fault.message


def test_the_configured_index_gives_a_real_package() -> None:
    lock = resolve(["six>=1.16"], HOST, Uv(idle_seconds=120))
    assert lock.culprits == {"six": "six>=1.16"}


def test_the_configured_index_has_no_such_version() -> None:
    fault = fails(Uv(idle_seconds=120), "six>=99")
    assert (fault.code, fault.culprit) == ("no_version", "six>=99")
