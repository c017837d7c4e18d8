from pathlib import Path

import pytest

from cadence.dependencies import command
from cadence.dependencies.command import Uv, presentable
from cadence.dependencies.lock import Lock, Package
from cadence.errors import StorageFull
from tests.dependencies.shelf import Shelf, await_true, is_over


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Have a shell script run in place of uv."""
    script = folder / "uv"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(script))


def test_lines_are_told_as_they_come_without_addresses_and_folders(shelf: Shelf) -> None:
    lines: list[str] = []
    uv = Uv(idle_seconds=60, on_line=lines.append, options=shelf.options)
    output = uv.run(
        "install", "--target=/nowhere", "-r", "-", stdin="alpha @ https://reader:secret@127.0.0.1:9/alpha.whl"
    )
    assert output.code != 0
    assert lines
    assert not any("secret" in line or "127.0.0.1" in line for line in [*lines, output.words])


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Failed to fetch: `https://u:p@index.test/simple/six/`", "Failed to fetch: `the package index`"),
        ("interpreter at: /srv/app/.venv/bin/python", "interpreter at: python"),
        ("ok \x1b[31mred\x07", "ok  [31mred"),
        ("pydantic<2 and/or alpha", "pydantic<2 and/or alpha"),
    ],
)
def test_a_line_is_made_presentable(line: str, shown: str) -> None:
    assert presentable(line) == shown


def test_what_a_program_leaves_in_its_session_is_ended_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "sleep 600 >/dev/null 2>&1 & echo $!; exit 3")
    output = Uv(idle_seconds=60).run(stdin="")
    assert output.code == 3
    await_true(lambda: is_over(int(output.stdout)))


def test_a_long_silence_is_no_idleness_while_something_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "for i in 1 2 3 4 5 6 7 8; do sleep 0.2; echo $i >>log; done; echo done")
    monkeypatch.setattr(command, "_WORKING_DIRECTORY", str(tmp_path))
    assert Uv(idle_seconds=1).run(stdin="").stdout == "done\n"


def test_endless_output_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "exec cat /dev/zero")
    monkeypatch.setattr(command, "_MAX_OUTPUT_BYTES", 1024)
    with pytest.raises(command.Ended, match="more than anyone could read"):
        Uv(idle_seconds=60).run(stdin="")


def test_a_large_input_arrives_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "exec wc -c")
    assert Uv(idle_seconds=60).run(stdin="x" * 1_000_000).stdout.strip() == "1000000"


def test_a_full_disk_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "echo 'error: No space left on device (os error 28)' >&2; exit 2")
    with pytest.raises(StorageFull):
        Uv(idle_seconds=60).run(stdin="")


def test_an_error_of_the_listener_ends_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "echo $$ >&2; exec sleep 600")
    pids: list[str] = []

    def listener(line: str) -> None:
        pids.append(line)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Uv(idle_seconds=60, on_line=listener).run(stdin="")
    assert is_over(int(pids[0]))


def test_a_lock_names_its_packages_and_hashes_only() -> None:
    lock = Lock((Package("alpha", "1.0", ("sha256:b", "sha256:a"), "alpha"),))
    assert lock.text == "alpha==1.0 --hash=sha256:a --hash=sha256:b\n"
