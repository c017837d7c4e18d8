"""A check: what an install would do, as far as it goes without one, and nothing of it is kept."""

from pathlib import Path
from typing import Any

import pytest

from cadence.config import Settings
from cadence.errors import CadenceError, DependenciesFailed, PluginExists, ValidationFailed
from cadence.model import CheckOptions, InstallKind, InstallOptions, InstallState
from cadence.outcome import failure_json
from cadence.parts import Parts
from cadence.storage.locks import plugin_lock
from tests.dependencies.shelf import Shelf, damage
from tests.installs.uploads import await_success, check, received, submit
from tests.server.process import await_true
from tests.web.api.asking import traces

USES_ALPHA = """
    import alpha
    from cadence_sdk import tool

    @tool
    def which() -> str:
        "The version."
        return alpha.version

    TOOLS = [which]
"""
COMPUTED = {
    "plugin.py": """
from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata
from .agent import DemoAgent

NEEDED = "al" + "pha"

class Demo(BasePlugin):
    @staticmethod
    def get_metadata() -> PluginMetadata:
        return PluginMetadata("demo_plugin", "1.0.0", "Computes what it needs", dependencies=[f"{NEEDED}>=1"])

    @staticmethod
    def create_agent() -> BaseAgent:
        return DemoAgent(Demo.get_metadata())
"""
}
TRIAL = CheckOptions(trial=True)


def install(parts: Parts, **files: Any) -> None:
    parts.serving.installer.install(received(parts, **files), InstallOptions())


def test_a_plugin_without_packages_is_tried_out_and_not_installed(parts: Parts) -> None:
    parts.start()
    before = traces(parts)
    found = check(parts)
    assert found.trial.report is not None
    assert [tool.name for tool in found.trial.report.tools] == ["add"]
    assert (found.trial.plan.added, found.trial.plan.ready, found.trial.plan.size_bytes) == ((), True, 0)
    assert (found.installed, found.would_activate) == (False, True)
    assert traces(parts) == before
    assert parts.serving.live_set.plugin("demo_plugin") is None


def test_a_plugin_with_packages_is_not_tried_out_unasked(parts: Parts, shelf: Shelf) -> None:
    parts.start()
    wheel, before = shelf.wheel("alpha"), traces(parts)
    found = check(parts, dependencies=("alpha>=1", "pydantic>=2"), tools=USES_ALPHA)
    plan = found.trial.plan
    assert [(one.name, one.version, one.requirement) for one in plan.added] == [("alpha", "1.0", "alpha>=1")]
    assert plan.size_bytes == wheel.stat().st_size
    assert [one.partition("==")[0] for one in plan.provided] == ["pydantic"]
    assert (plan.ready, found.trial.report) == (False, None)
    assert any("not tried out" in words for words in found.trial.warnings)
    assert traces(parts) == before


def test_a_trial_that_is_asked_for_installs_packages_and_lets_them_go(parts: Parts, shelf: Shelf) -> None:
    parts.start()
    shelf.wheel("alpha")
    before = traces(parts)
    found = check(parts, TRIAL, dependencies=("alpha>=1",), tools=USES_ALPHA)
    assert found.trial.report is not None
    assert [one.name for one in found.trial.plan.added] == ["alpha"]
    assert not found.trial.plan.ready, "it tells how things stand without the check"
    await_true(lambda: traces(parts) == before, "the end of the environment")


def test_a_plugin_whose_packages_are_here_is_tried_out(parts: Parts, shelf: Shelf) -> None:
    shelf.wheel("alpha")
    install(parts, name="other", dependencies=("alpha>=1",), tools=USES_ALPHA)
    found = check(parts, dependencies=("alpha>=1",), tools=USES_ALPHA)
    assert found.trial.report is not None
    assert (found.trial.plan.ready, found.trial.plan.size_bytes) == (True, 0)


def test_a_plugin_that_computes_what_it_needs_is_told_by_the_trial(parts: Parts, shelf: Shelf) -> None:
    wheel = shelf.wheel("alpha")
    found = check(parts, files=COMPUTED)
    assert found.trial.report is None
    assert [one.name for one in found.trial.plan.added] == ["alpha"]
    assert any("only the trial can tell" in words for words in found.trial.warnings)
    tried = check(parts, TRIAL, files=COMPUTED)
    assert tried.trial.report is not None
    assert [one.size_bytes for one in tried.trial.plan.added] == [wheel.stat().st_size]


def test_a_version_that_is_installed_is_said_to_be_and_not_refused(parts: Parts) -> None:
    install(parts, version="1.0.0")
    install(parts, version="2.0.0")
    assert check(parts, version="2.0.0").installed
    found = check(parts, version="1.0.0")
    assert (found.installed, found.would_activate) == (True, False)
    assert check(parts, CheckOptions(activate=True), version="1.0.0").would_activate
    new = check(parts, version="3.0.0")
    assert (new.installed, new.would_activate) == (False, True)
    assert not check(parts, CheckOptions(activate=False), version="3.0.0").would_activate


@pytest.mark.parametrize(
    ("error", "files"),
    [
        (ValidationFailed, {"files": {"tools.py": None}}),
        (ValidationFailed, {"tools": "raise RuntimeError('at import')"}),
        (ValidationFailed, {"metadata_name": "first", "name": "second"}),
        (DependenciesFailed, {"dependencies": ("alpha>=99",)}),
        (DependenciesFailed, {"dependencies": ("absent",)}),
        (PluginExists, {"name": "first", "version": "1.0"}),
    ],
    ids=["file", "trial", "metadata name", "version", "unknown", "spelling"],
)
def test_what_an_upload_would_be_refused_for_is_refused_in_the_same_words(
    parts: Parts, shelf: Shelf, error: type[CadenceError], files: dict[str, Any]
) -> None:
    shelf.wheel("alpha")
    install(parts, name="first")
    before = traces(parts)
    with pytest.raises(error) as checked:
        check(parts, **files)
    with pytest.raises(error) as installed:
        install(parts, **files)
    assert failure_json(checked.value) == failure_json(installed.value)
    assert checked.value.status == installed.value.status
    assert traces(parts) == before


def test_a_package_that_breaks_at_its_install_is_told_by_the_trial(parts: Parts, shelf: Shelf) -> None:
    parts.start()
    damage(shelf.wheel("alpha"))
    before = traces(parts)
    with pytest.raises(DependenciesFailed, match="Failed to install: alpha"):
        check(parts, TRIAL, dependencies=("alpha",))
    assert traces(parts) == before


def test_a_check_is_kept_among_the_installs_as_what_it_is(parts: Parts, shelf: Shelf) -> None:
    shelf.wheel("alpha")
    install_id = submit(parts, check=True, dependencies=("alpha",))
    kept = await_success(parts, install_id)
    assert (kept.kind, kept.status) == (InstallKind.CHECK, 200)
    assert [one.stage for one in kept.stages] == ["receive", "archive", "exists", "inspect", "dependencies"]
    assert kept.outcome is not None
    assert kept.outcome["message"] == "Plugin is valid"
    with pytest.raises(ValidationFailed):
        check(parts, files={"tools.py": None})
    failed = parts.serving.installer.records(1)[0]
    assert (failed.kind, failed.state) == (InstallKind.CHECK, InstallState.FAILED)


def test_a_check_does_not_wait_for_an_install_of_the_same_plugin(parts: Parts, settings: Settings) -> None:
    parts.start()
    with plugin_lock(settings.instance, "demo_plugin"):
        assert check(parts).trial.report is not None


def test_the_same_is_resolved_anew_only_when_that_is_asked_for(parts: Parts, shelf: Shelf) -> None:
    shelf.wheel("alpha", "1.0")
    assert [one.version for one in check(parts, dependencies=("alpha",)).trial.plan.added] == ["1.0"]
    shelf.wheel("alpha", "2.0")
    assert [one.version for one in check(parts, dependencies=("alpha",)).trial.plan.added] == ["1.0"]
    anew = check(parts, CheckOptions(upgrade=True), dependencies=("alpha",))
    assert [one.version for one in anew.trial.plan.added] == ["2.0"]


def test_a_check_leaves_no_file_of_its_own(parts: Parts, settings: Settings) -> None:
    parts.start()
    check(parts)
    await_true(lambda: not list(settings.instance.glob("run/*/*")), "the removal of what it unpacked")
    assert not [path for path in Path(settings.archive_dir).rglob("*") if path.is_file()]


@pytest.fixture
def settings(tmp_path: Path, shelf: Shelf) -> Settings:
    """With the shelf as the operator's wheelhouse too: of wheels on the disk the sizes are known."""
    return Settings(instance=tmp_path / "instance", wheelhouse=shelf.folder)
