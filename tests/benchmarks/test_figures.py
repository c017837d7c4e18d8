"""That the figures can be measured; what they come to is not a test's business."""

from pathlib import Path

import psutil
import pytest

from benchmarks.figures import BENCHMARKS, dependencies
from benchmarks.sampling import Effort
from benchmarks.seeding import seed
from benchmarks.workbench import MATH, math_plugin, packed
from cadence.model import PluginRef
from cadence.storage.index import Index


@pytest.mark.parametrize("name", ["call", "chat", "memory", "reload"])
def test_a_figure_can_be_measured_and_leaves_nothing_running(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(psutil.Process().children())

    figures = BENCHMARKS[name](Effort(quick=True))

    assert figures
    assert all(figure.ours >= 0 for figure in figures)
    assert any(figure.goal is not None and figure.holds is not None for figure in figures)
    assert set(psutil.Process().children()) <= before
    assert not list(tmp_path.iterdir())


def test_installs_can_be_measured_with_a_small_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(dependencies, "_DEPENDENCY", "six")
    before = set(psutil.Process().children())

    second, *others = dependencies.measure(Effort(quick=True))

    assert second.holds is not None
    assert {"  of that dependencies", "  of that trial"} <= {figure.name for figure in others}
    assert all(figure.ours >= 0 for figure in others)
    assert set(psutil.Process().children()) <= before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("active", [True, False])
def test_seeded_plugins_are_installed_and_active_if_that_is_wanted(active: bool, tmp_path: Path) -> None:
    plugin = math_plugin(tmp_path)
    seed(tmp_path / "instance", plugin, packed(plugin, tmp_path), 3, active=active)
    with Index.open(tmp_path / "instance" / "index.db") as index:
        assert [record.ref for record in index.versions()] == [
            PluginRef(f"seeded_0000{n}", MATH.version) for n in range(3)
        ]
        assert len(index.active()) == (3 if active else 0)
        assert index.pending_changes() == []
    assert (tmp_path / "instance" / "store_plugin" / "seeded_00002-1.0.0" / "plugin.py").is_file()
