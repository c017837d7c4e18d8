"""The index of installs and of servers."""

import pytest

from cadence.model import InstallRecord, InstallState, Stage, StageRecord
from cadence.storage.index import Index
from cadence.storage.installs import InstallLine, RunningInstall

RECORD = InstallRecord("i1", "math-1.0.zip", InstallState.RUNNING, "2026-01-01T00:00:00.000000+00:00")


def test_an_install_is_followed_from_its_start_to_its_end(index: Index) -> None:
    stages = (StageRecord(Stage.RECEIVE, 1.5), StageRecord(Stage.ARCHIVE))
    index.start_install(RECORD, "owner")
    assert index.install("i1") == RECORD
    assert index.running_installs() == [RunningInstall("i1", "owner")]
    index.update_install("i1", name="math", version="1.0")
    index.update_install("i1", stages=stages)
    running = index.install("i1")
    assert running is not None
    assert (running.name, running.version, running.stages) == ("math", "1.0", stages)
    index.finish_install("i1", InstallState.FAILED, 422, {"success": False})
    ended = index.install("i1")
    assert ended is not None
    assert (ended.state, ended.status, ended.outcome, ended.stages) == ("failed", 422, {"success": False}, stages)
    assert index.running_installs() == []


def test_the_newest_installs_come_first(index: Index) -> None:
    for id in ("c", "a", "b"):
        index.start_install(InstallRecord(id, "x.zip", InstallState.RUNNING, RECORD.created_at), "owner")
    assert [record.id for record in index.installs(2)] == ["b", "a"]
    assert index.install("d") is None


def test_log_lines_are_numbered_and_can_be_read_from_where_one_was(index: Index) -> None:
    index.start_install(RECORD, "owner")
    index.append_lines("i1", [("dependencies", "one"), ("dependencies", "two")])
    index.append_lines("i1", [("trial", "three")])
    assert index.lines("i1") == [
        InstallLine(1, "dependencies", "one"),
        InstallLine(2, "dependencies", "two"),
        InstallLine(3, "trial", "three"),
    ]
    assert index.lines("i1", after=2) == [InstallLine(3, "trial", "three")]


def test_a_server_is_listed_with_the_last_it_said(index: Index) -> None:
    index.register_server("s1", 4711)
    index.register_server("s2", 4712)
    index.server_report("s1", 3, {"loaded": 2})
    index.server_report("s1", 2, {"loaded": 1})
    first, second = index.servers()
    assert (first.id, first.pid, first.seen_generation, first.report) == ("s1", 4711, 3, {"loaded": 2})
    assert (second.seen_generation, second.report) == (0, None)
    index.unregister_server("s1")
    assert [server.id for server in index.servers()] == ["s2"]


@pytest.mark.parametrize("text", ["", "a\nb", "ü\U0001f600", "'; DROP TABLE installs; --"])
def test_a_log_line_is_kept_as_it_is(index: Index, text: str) -> None:
    index.start_install(RECORD, "owner")
    index.append_lines("i1", [("trial", text)])
    assert [line.text for line in index.lines("i1")] == [text]
