from pathlib import Path

import pytest
from msgspec import json

from benchmarks import __main__ as command_line
from benchmarks.figure import Figure, Goal
from benchmarks.figures import BENCHMARKS
from benchmarks.runner import Benchmark, run
from benchmarks.sampling import Effort


def _good(effort: Effort) -> list[Figure]:
    return [Figure("good", "ms", ours=1, theirs=2, goal=Goal(1, of="ratio"))]


def _bad(effort: Effort) -> list[Figure]:
    raise OSError("no port")


@pytest.fixture
def two_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(BENCHMARKS):
        monkeypatch.delitem(BENCHMARKS, name)
    chosen: dict[str, Benchmark] = {"bad": _bad, "good": _good}
    for name, benchmark in chosen.items():
        monkeypatch.setitem(BENCHMARKS, name, benchmark)


def test_one_that_cannot_be_measured_does_not_keep_the_others_from_it() -> None:
    begun: list[str] = []
    report = run({"bad": _bad, "good": _good}, Effort(), begun.append)
    assert begun == ["bad", "good"]
    assert report.errors == {"bad": "OSError: no port"}
    assert [figure.name for figure in report.figures] == ["good"]


@pytest.mark.usefixtures("two_benchmarks")
def test_the_command_prints_the_table_and_fails_when_something_could_not_be_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command_line.main([]) == 1
    printed = capsys.readouterr().out
    assert "bad could not be measured: OSError: no port" in printed
    assert "1 of 1 goals hold." in printed


@pytest.mark.usefixtures("two_benchmarks")
def test_one_can_be_run_alone_and_written_as_json(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert command_line.main(["good", "--quick", "--json", str(file)]) == 0
    written = json.decode(file.read_bytes())
    assert written["quick"] is True
    (only,) = written["benchmarks"]
    assert (only["name"], only["error"], only["figures"][0]["ratio"]) == ("good", None, 0.5)


@pytest.mark.parametrize("arguments", [["nonsense"], ["call", "--json", "/nowhere/at/all.json"]])
def test_wrong_arguments_are_refused_before_anything_is_measured(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        command_line.main(arguments)
    assert refused.value.code == 2
    assert "nonsense" in (said := capsys.readouterr().err) or "/nowhere/at" in said
