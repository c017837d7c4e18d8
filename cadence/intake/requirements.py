"""The requirements a plugin states: read, checked and merged (PEP 508)."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cadence.intake.faults import printable, quoted
from cadence.intake.limits import KIB, bytes_in_words
from cadence.model import Fault, Stage

PYPROJECT = "pyproject.toml"
SDK_DISTRIBUTION = "cadence-sdk"
MAX_REQUIREMENT_CHARS = 500

# tomllib takes quadratic time for a key of many dotted parts: a minute and a half for 130 KB of them.
MAX_PYPROJECT_BYTES = 128 * KIB
MAX_DOTS_PER_LINE = 256

_ADDRESS = re.compile(r"://|^\s*(file:|git\+|\.{0,2}[/\\]|[A-Za-z]:\\)")


class Requirements(Struct, frozen=True):
    """What is to be resolved for a plugin, what is wrong with what it states, and what is only worth a warning."""

    specifiers: tuple[str, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[str, ...] = ()


class Stated(Struct, frozen=True):
    """One requirement as it is written, and where: a file, with the line where it is known."""

    text: str
    place: str


def merge_requirements(stated: Iterable[Stated], sdk_version: str) -> Requirements:
    """Check requirements and merge them, in the order in which they were stated first.

    Those for other platforms are left out, and so is the SDK, which the host provides in ``sdk_version``.
    """
    specifiers: dict[tuple[str, frozenset[str], str], str] = {}
    faults: list[Fault] = []
    for one in stated:
        try:
            requirement = _parsed(one.text)
            if requirement is not None and not _is_sdk(requirement, sdk_version):
                key = (canonicalize_name(requirement.name), frozenset(requirement.extras), str(requirement.specifier))
                specifiers.setdefault(key, str(requirement))
        except _WrongError as error:
            code, message = error.args
            faults.append(Fault(Stage.INSPECT, code, f"{one.place}: {message}", printable(one.text)))
    return Requirements(tuple(specifiers.values()), tuple(faults))


class _WrongError(Exception):
    """A requirement that cannot be taken: a code and a message."""


def _parsed(text: str) -> Requirement | None:
    """The requirement without its marker; ``None`` when the marker is for another platform or Python."""
    try:
        if len(text) > MAX_REQUIREMENT_CHARS:
            raise ValueError("it is too long")
        requirement = Requirement(text)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    except InvalidRequirement as error:
        if _ADDRESS.search(text):
            raise _address(text) from None
        reason = str(error).partition("\n")[0]
        raise _WrongError("invalid_requirement", f"{quoted(text)} is no requirement: {reason}") from None
    except (ValueError, RecursionError, UndefinedComparison, UndefinedEnvironmentName) as error:
        raise _WrongError("invalid_requirement", f"{quoted(text)} is no requirement: {error}") from None
    if requirement.url:
        raise _address(text)
    requirement.marker = None
    return requirement if applies else None


def _address(text: str) -> _WrongError:
    message = f"{quoted(text)} is an address or a path; only packages by name and version can be installed"
    return _WrongError("direct_requirement", message)


def _is_sdk(requirement: Requirement, sdk_version: str) -> bool:
    if canonicalize_name(requirement.name) != SDK_DISTRIBUTION:
        return False
    if not requirement.specifier.contains(sdk_version, prereleases=True):
        message = f"the plugin needs {requirement}, but this server provides {SDK_DISTRIBUTION} {sdk_version}"
        raise _WrongError("sdk_mismatch", message)
    return True


def read_pyproject(directory: Path) -> tuple[list[Stated], list[Fault], list[str]]:
    """Read ``[project].dependencies`` from a plugin's ``pyproject.toml`` (PEP 621), if it has one.

    :returns: the requirements stated, the faults, and the warnings.
    """
    try:
        project = load_project(directory)
    except InvalidProjectError as error:
        return [], [Fault(Stage.INSPECT, "invalid_pyproject", f"{PYPROJECT}: {error}", PYPROJECT)], []
    warnings = []
    if isinstance(dynamic := project.get("dynamic"), list) and "dependencies" in dynamic:
        warnings.append(f"{PYPROJECT} leaves its dependencies to a build (dynamic); they are not installed")
    return [Stated(text, PYPROJECT) for text in project.get("dependencies", [])], [], warnings


class InvalidProjectError(Exception):
    """A ``pyproject.toml`` that cannot be used, in words."""


def load_project(directory: Path) -> dict[str, Any]:
    """The ``[project]`` table of a folder's ``pyproject.toml``, empty where there is none.

    :raises InvalidProjectError: when the file is too large, not TOML, or the table or its ``dependencies`` are of
        another type than the specification says.
    """
    path = directory / PYPROJECT
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        data = file.read(MAX_PYPROJECT_BYTES + 1)
    project = _loaded(data).get("project", {})
    if not isinstance(project, dict):
        raise InvalidProjectError("[project] must be a table")
    dependencies = project.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(one, str) for one in dependencies):
        raise InvalidProjectError("[project].dependencies must be a list of strings")
    return project


def _loaded(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_PYPROJECT_BYTES:
        raise InvalidProjectError(f"it is larger than {bytes_in_words(MAX_PYPROJECT_BYTES)}")
    for number, line in enumerate(data.splitlines(), 1):
        if line.count(b".") > MAX_DOTS_PER_LINE:
            raise InvalidProjectError(f"line {number} has more than {MAX_DOTS_PER_LINE} dots; break it up")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise InvalidProjectError("it is not UTF-8, as TOML has to be") from None
    except RecursionError:
        raise InvalidProjectError("it is nested too deeply") from None
    except ValueError as error:  # also TOMLDecodeError, which says where
        raise InvalidProjectError(f"it is not valid TOML: {error}") from None
