import os
import sys
from pathlib import Path

import pytest

from cadence.dependencies import command
from cadence.dependencies.command import Output, Uv
from cadence.dependencies.lock import Lock, Package
from cadence.errors import StorageFull
from tests.dependencies.shelf import Shelf, SilentIndex, await_true, is_over


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Have a shell script run in place of uv."""
    script = folder / "uv"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(script))


def without_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system give no pseudo-terminal, as where /dev/pts is not mounted."""

    def openpty() -> tuple[int, int]:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(os, "openpty", openpty)


def test_lines_are_told_as_they_come_without_addresses_and_folders(shelf: Shelf) -> None:
    lines: list[str] = []
    uv = Uv(idle_seconds=60, on_line=lines.append, options=shelf.options)
    output = uv.run(
        "install", "--target=/nowhere", "-r", "-", stdin="alpha @ https://reader:secret@127.0.0.1:9/alpha.whl"
    )
    assert output.code != 0
    assert lines
    assert not any("secret" in line or "127.0.0.1" in line for line in [*lines, output.words])


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


def drawing(monkeypatch: pytest.MonkeyPatch, folder: Path, counts: str, pause: float) -> None:
    """Have frames with these counts drawn in place of uv, by one process, which writes nothing else."""
    frame = r"b'\r\x1b[2K\xe2\xa0\x99 Preparing packages... (%d/9)   ' % done"
    program = f"import os, time\nfor done in {counts}: os.write(2, {frame}); time.sleep({pause})\nprint('done')"
    (folder / "draw.py").write_text(program)
    stand_in(monkeypatch, folder, f"exec {sys.executable} -I -S {folder / 'draw.py'}")


def test_a_spinner_that_spins_is_no_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawing(monkeypatch, tmp_path, "iter(lambda: 1, None)", 0.03)
    with pytest.raises(command.Ended, match="made no progress for 1 seconds"):
        Uv(idle_seconds=1).run(stdin="", packages=9)


@pytest.mark.parametrize("packages", [0, 1])
def test_an_index_that_says_nothing_is_given_up_whether_uv_draws_or_not(silent: SilentIndex, packages: int) -> None:
    with pytest.raises(command.Ended, match="made no progress"):
        Uv(idle_seconds=1, options=silent.options).run("compile", "-", stdin="alpha", packages=packages)


def test_counts_that_rise_are_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawing(monkeypatch, tmp_path, "range(1, 10)", 0.3)
    counts: list[tuple[int, int]] = []
    output = Uv(idle_seconds=1.5, on_count=lambda *count: counts.append(count)).run(stdin="", packages=9)
    assert output.stdout == "done\n"
    assert counts == [(number, 9) for number in range(1, 10)]


def test_progress_that_is_drawn_again_and_again_is_not_too_much_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawing(monkeypatch, tmp_path, "[1] * 500", 0)
    monkeypatch.setattr(command, "_MAX_OUTPUT_BYTES", 1024)
    assert Uv(idle_seconds=60).run(stdin="", packages=9).stdout == "done\n"


@pytest.mark.parametrize("packages", [0, 1])
@pytest.mark.parametrize("source", ["/dev/zero", "endless lines"])
def test_endless_words_are_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, packages: int) -> None:
    endless = "exec cat /dev/zero >&2" if source == "/dev/zero" else "while :; do echo word >&2; done"
    stand_in(monkeypatch, tmp_path, endless)
    monkeypatch.setattr(command, "_MAX_OUTPUT_BYTES", 100_000)
    with pytest.raises(command.Ended, match="more than anyone could read"):
        Uv(idle_seconds=60).run(stdin="", packages=packages)


def test_no_terminal_of_the_server_makes_a_difference(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, 'echo "$TERM $COLUMNS" >&2; test -t 2')
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "dumb")
    assert Uv(idle_seconds=60).run(stdin="", packages=1) == Output(0, "", "xterm")


@pytest.mark.parametrize("packages", [0, 1])
def test_where_nothing_is_counted_or_no_terminal_is_given_lines_come_through_pipes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packages: int
) -> None:
    if packages:
        without_terminals(monkeypatch)
    stand_in(monkeypatch, tmp_path, 'echo "said $*" >&2; test -t 2 || echo none')
    output = Uv(idle_seconds=60).run("list", stdin="", packages=packages)
    assert output.stdout == "none\n"
    assert output.words.startswith("said pip list")
    assert output.words.endswith("--no-progress")


def test_descriptors_are_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "echo said >&2")
    Uv(idle_seconds=60).run(stdin="", packages=1)
    before = sorted(Path("/proc/self/fd").iterdir())
    for packages in (0, 1, 2, 3):
        Uv(idle_seconds=60).run(stdin="", packages=packages)
    without_terminals(monkeypatch)
    Uv(idle_seconds=60).run(stdin="", packages=1)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


#: Fails in these words, and on a terminal has a frame fall upon them.
DREW_OVER_ITS_REASON = r"""
if test -t 2; then printf 'error: Failed to download `alpha`\n  cau\r\033[2K⠋ Preparing... (0/1)\n' >&2
else printf 'error: Failed to download `alpha`\n  cause: disabled\n' >&2; fi
exit 3"""


def test_the_reason_of_a_failure_is_whole_though_a_frame_fell_upon_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, DREW_OVER_ITS_REASON)
    told: list[str] = []
    output = Uv(idle_seconds=60, on_line=told.append).run(stdin="", packages=1)
    assert output == Output(3, "", "error: Failed to download `alpha`\n  cause: disabled")
    assert told == ["error: Failed to download `alpha`"]  # what was told as it came is not told again


def test_what_failed_stays_failed_though_the_same_again_would_find_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verified: list[bool] = []
    stand_in(
        monkeypatch, tmp_path, f"test -e {tmp_path}/half && exit 0; touch {tmp_path}/half; echo broken >&2; exit 2"
    )
    output = Uv(idle_seconds=60, verify=lambda: verified.append(True)).run(stdin="", packages=1)
    assert (output, verified) == (Output(2, "", "broken"), [])


def test_another_python_is_used_where_one_is_given(shelf: Shelf) -> None:
    uv = Uv(idle_seconds=60, options=shelf.options, python="/nowhere/python")
    output = uv.run("compile", "-", stdin="")
    assert output.code != 0
    assert "python" in output.words
    assert Uv(idle_seconds=60, options=shelf.options, python=sys.executable).run("compile", "-", stdin="").code == 0


def test_a_line_of_ours_is_told_as_one_of_uv() -> None:
    lines: list[str] = []
    Uv(idle_seconds=1, on_line=lines.append).say("evil brings /srv/x/evil.pth\x1b[2K")
    assert lines == ["evil brings evil.pth [2K"]
