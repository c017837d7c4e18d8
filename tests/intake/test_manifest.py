import sys

import pytest

from cadence.model import PluginRef
from tests.intake.test_inspection import PLUGIN, Faults, Inspect, codes, faults, inspected

__all__ = ["faults", "inspected"]  # fixtures


def plugin(arguments: str, before: str = "") -> dict[str, str]:
    """A ``plugin.py`` that gives ``PluginMetadata`` these arguments."""
    start, rest = PLUGIN.split("PluginMetadata(", 1)
    return {"plugin.py": f"{before}\n{start}PluginMetadata({arguments}){rest.split(')', 1)[1]}"}


GOOD = 'name="math_plugin", version="1.0.0", description="Adds"'


@pytest.mark.parametrize("version", ["1.0.0", "1.0", "v1.0.0", "1.0.0.0"])
def test_versions_are_compared_as_versions(inspected: Inspect, version: str) -> None:
    inspected(plugin(f'"math_plugin", "{version}", "Adds"'))


def test_a_version_that_differs_from_the_file_name_is_told_with_both(faults: Faults) -> None:
    found = faults(plugin('name="math_plugin", version="2.1", description="Adds"'))
    assert codes(found) == ["version_mismatch"]
    assert "1.0.0" in found[0].message
    assert "2.1" in found[0].message


def test_a_name_that_differs_from_the_file_name_is_only_a_warning(inspected: Inspect) -> None:
    assert inspected(plugin('name="mathematics", version="1.0.0", description="Adds"')).warnings == (
        "The plugin calls itself 'mathematics', but its file name says 'math_plugin'",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('name="a", version="1.0.0"', "description"),
        ('version="1.0.0", description=""', "name"),
        ('"a", description=""', "version"),
        (f'{GOOD}, agent_type="special"', "specialized, general, utility"),
        (f"{GOOD}, agent_type=3", "agent_type"),
        (f'{GOOD}, capabilities="add"', "capabilities"),
        (f"{GOOD}, capabilities=[1]", "capabilities"),
        (f'{GOOD}, dependencies="numpy"', "dependencies"),
        (f'{GOOD}, dependencies={{"numpy": "1"}}', "dependencies"),
        (f"{GOOD}, llm_requirements=[]", "llm_requirements"),
        ('name=1, version="1.0.0", description=""', "name"),
        ('name="a", version="one", description=""', "'one' is not a version"),
        (f'name="a", version="{"9" * 5000}", description=""', "is not a version"),
    ],
)
def test_metadata_that_cannot_be_right_is_told_with_its_place(faults: Faults, arguments: str, said: str) -> None:
    (found,) = faults(plugin(arguments))
    assert said in found.message
    assert found.culprit == "plugin.py:9"


@pytest.mark.parametrize(
    "arguments", ["**SETTINGS", "*SETTINGS", 'name="a", **SETTINGS', "name=f(), version=f(), description=f()"]
)
def test_computed_metadata_are_left_to_the_trial(inspected: Inspect, arguments: str) -> None:
    inspected(plugin(arguments))


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ('VERSION = "2.0"', "VERSION"),
        ("from ._version import VERSION", "VERSION"),
        ("from . import _version", "_version.VERSION"),
        ("from ._version import VERSION as V", "V"),
    ],
)
def test_a_constant_is_read_where_it_stands(faults: Faults, before: str, said: str) -> None:
    files = plugin(f'name="math_plugin", version={said}, description="Adds"', before)
    assert codes(faults(files | {"_version.py": 'VERSION = "2.0"\n'})) == ["version_mismatch"]


@pytest.mark.parametrize(
    "before",
    [
        'V = "2.0"\nV = "1.0.0"',
        'V = "2"\nV += "3"',
        'V = "2"\ndef f(V): pass',
        'V = "2"\ndef f():\n global V\n V = "1"',
        "V = f()",
    ],
)
def test_a_name_that_may_be_rebound_is_no_constant(inspected: Inspect, before: str) -> None:
    inspected(plugin('name="math_plugin", version=V, description="Adds"', before))


def test_lists_of_names_of_lists_are_given_up(inspected: Inspect) -> None:
    knot = "".join(f"V{n} = [{', '.join([f'V{n + 1}'] * 50)}]\n" for n in range(18)) + "V18 = 'a'\n"
    assert not inspected(plugin(f"{GOOD}, dependencies=V0", knot)).requirements_complete


def test_requirements_are_merged_from_both_places_without_repetition(inspected: Inspect) -> None:
    files = plugin(f'{GOOD}, dependencies=["numpy>=1.20.0", "Requests[socks] ~= 2.31", "NumPy >=1.20.0", "numpy<3"]')
    files["pyproject.toml"] = '[project]\nname = "x"\ndependencies = ["requests[socks]~=2.31", "rich"]\n'
    manifest = inspected(files)
    assert manifest.requirements == ("numpy>=1.20.0", "Requests[socks]~=2.31", "numpy<3", "rich")
    assert manifest.requirements_complete


def test_requirements_for_elsewhere_are_evaluated_away(inspected: Inspect) -> None:
    here = f'numpy; sys_platform == \\"{sys.platform}\\"'
    files = plugin(f'{GOOD}, dependencies=["{here}", "pywin32; sys_platform == \'nowhere\'", "x; extra == \'dev\'"]')
    assert inspected(files).requirements == ("numpy",)


@pytest.mark.parametrize("dependencies", ["REQUIRED + ['b']", "[f()]", "list(x)", "deps"])
def test_computed_requirements_are_said_to_be_incomplete(inspected: Inspect, dependencies: str) -> None:
    manifest = inspected(
        plugin(f"{GOOD}, dependencies={dependencies}") | {"pyproject.toml": "[project]\ndependencies=['a']"}
    )
    assert manifest.requirements == ("a",)
    assert not manifest.requirements_complete


def test_without_metadata_to_read_requirements_are_incomplete(inspected: Inspect) -> None:
    assert not inspected(
        {"plugin.py": "from cadence_sdk import BasePlugin\nclass P(BasePlugin): pass\n"}
    ).requirements_complete


@pytest.mark.parametrize(
    ("code", "requirement"),
    [
        ("invalid_requirement", ""),
        ("invalid_requirement", "two words"),
        ("invalid_requirement", "a>="),
        ("invalid_requirement", "a; nonsense == 1"),
        ("invalid_requirement", "a>=" + "1" * 600),
        ("invalid_requirement", "a; " + "(" * 400),
        ("invalid_requirement", "--index-url=somewhere"),
        ("direct_requirement", "a @ https://example.org/a.whl"),
        ("direct_requirement", "a @ file:///etc/passwd"),
        ("direct_requirement", "file:///etc/passwd"),
        ("direct_requirement", "./wheels/a.whl"),
        ("direct_requirement", "/tmp/a.whl"),
        ("direct_requirement", "git+https://example.org/a"),
        ("direct_requirement", "cadence-sdk @ https://example.org/a.whl"),
    ],
)
def test_a_requirement_that_cannot_be_taken_is_told_by_name(faults: Faults, code: str, requirement: str) -> None:
    (found,) = faults({"pyproject.toml": f"[project]\ndependencies = ['{requirement}']\n"})
    assert found.code == code
    assert requirement[:100] in (found.culprit or "")


@pytest.mark.parametrize("name", ["cadence-sdk", "cadence_sdk", "Cadence.SDK"])
def test_the_sdk_is_provided_by_the_host(inspected: Inspect, name: str) -> None:
    assert inspected(plugin(f'{GOOD}, dependencies=["{name}>=1.3.1,<2.0.0", "{name}"]')).requirements == ()


def test_another_sdk_than_the_hosts_is_told_with_both(faults: Faults) -> None:
    (found,) = faults(plugin(f'{GOOD}, dependencies=["cadence_sdk>=2.0"]'))
    assert found.code == "sdk_mismatch"
    assert "cadence_sdk>=2.0" in found.message
    assert "cadence-sdk 1.4.0" in found.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[project]\nname = \n", "line 2, column 8"),
        ("a = " + "[" * 50_000, "nested too deeply"),
        ("a = " + "9" * 10_000, "not valid TOML"),
        ("a." * 60_000 + "b = 1", "dots"),
        ("#" * 200_000, "128 KiB"),
        ("project = 3", "must be a table"),
        ("[project]\ndependencies = 'numpy'", "list of strings"),
        ("[project]\ndependencies = [1]", "list of strings"),
        (b"x = '\xff'", "UTF-8"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_pyproject_that_cannot_be_read_is_told_with_the_place(faults: Faults, text: str | bytes, said: str) -> None:
    (found,) = faults({"pyproject.toml": text})
    assert (found.code, found.culprit) == ("invalid_pyproject", "pyproject.toml")
    assert said in found.message


def test_dependencies_left_to_a_build_are_a_warning(inspected: Inspect) -> None:
    (warning,) = inspected({"pyproject.toml": "[project]\nname='a'\ndynamic=['dependencies']"}).warnings
    assert "dynamic" in warning


def test_the_manifest_carries_the_identity_of_the_file_name(inspected: Inspect) -> None:
    assert inspected(ref=PluginRef("math_plugin", "1.0")).ref == PluginRef("math_plugin", "1.0")
