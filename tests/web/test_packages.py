"""Why each package of a version is there."""

import pytest

from cadence.dependencies.isolation import sdk_needs
from cadence.dependencies.lock import Lock, Package
from cadence.web.packages import PackageView, package_views


def locked(name: str, *via: str) -> Package:
    return Package(name, "1.0", (), "", via=via)


def reasons(lock: Lock, *requirements: str) -> dict[str, str]:
    return {one.name: one.needed_by_words for one in package_views(lock, requirements, {})}


def test_what_the_plugin_requires_itself_comes_before_what_others_do() -> None:
    lock = Lock((locked("alpha"), locked("beta-b", "alpha"), locked("gamma", "beta-b", "alpha")))
    found = reasons(lock, "Alpha[more]>=1; python_version > '3'", "Beta_B")
    assert found == {"alpha": "the plugin", "beta-b": "the plugin, alpha", "gamma": "alpha, beta-b"}


def test_requirements_that_cannot_be_read_make_nothing_required() -> None:
    assert reasons(Lock((locked("alpha"),)), "alpha >", "", "(" * 5000, "\udcff") == {"alpha": ""}


def test_a_package_whose_extras_need_itself_does_not_count_as_its_reason() -> None:
    assert reasons(Lock((locked("alpha", "alpha", "beta"),))) == {"alpha": "beta"}


def test_in_an_interpreter_of_its_own_the_sdk_needs_packages_too() -> None:
    needed = sdk_needs()[0].name
    packages = (locked(needed, "alpha"),)
    assert reasons(Lock(packages, ("It does not fit.",))) == {needed: "alpha, cadence-sdk"}
    assert reasons(Lock(packages)) == {needed: "alpha"}


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (3, "the plugin, p0, p1, p2"),
        (4, "the plugin, p0, p1, p2 and 1 more"),
        (99, "the plugin, p0, p1, p2 and 96 more"),
    ],
)
def test_of_many_that_need_it_the_first_few_are_named(count: int, words: str) -> None:
    view = PackageView("alpha", "1.0", None, True, tuple(f"p{number}" for number in range(count)))
    assert view.needed_by_words == words


def test_each_has_the_size_that_is_known_of_it() -> None:
    views = package_views(Lock((locked("alpha"), locked("beta"))), (), {"alpha": 7, "other": 9})
    assert [one.size_bytes for one in views] == [7, None]
