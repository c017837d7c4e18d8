"""That the watch mode's figure can be measured; what it comes to is not a test's business."""

from pathlib import Path

import psutil
import pytest

from benchmarks.figures import BENCHMARKS
from benchmarks.sampling import Effort


def test_the_time_from_a_save_to_the_loaded_plugin_can_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(psutil.Process().children())
    (figure,) = BENCHMARKS["dev"](Effort(quick=True))
    assert figure.holds is not None
    assert set(psutil.Process().children()) <= before
    assert not list(tmp_path.iterdir())
