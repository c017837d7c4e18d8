"""Namespaces: what a worker no longer sees, and what it cannot change although it can see it."""

import errno
import os
import resource
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.lockdown import identity, namespaces, rlimits
from cadence_sdk._runtime.process import STACK_BYTES
from tests.lockdown.child import result_of


def can_enter() -> bool:
    try:
        result_of(enter)
    except OSError:
        return False
    return True


def enter() -> bool:
    """Be where workers live; whether that took a user namespace."""
    by_user = namespaces.enter_process_namespace(os.open(os.devnull, os.O_RDONLY))
    namespaces.enter_empty_network()
    return by_user


pytestmark = pytest.mark.skipif(not can_enter(), reason="this host allows no namespaces")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_other_processes_are_not_there() -> None:
    parent = os.getpid()

    def act() -> tuple[int, bool]:
        enter()
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            return os.getpid(), True
        return os.getpid(), False

    assert result_of(act) == (1, True)


def test_the_one_that_waits_ends_as_the_one_that_went_on() -> None:
    child = os.fork()
    if child == 0:
        try:
            enter()
        finally:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_there_is_no_network_not_even_loopback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def act() -> str:
            enter()
            try:
                socket.create_connection(listening.getsockname(), timeout=1)
            except OSError as error:
                return errno.errorcode[error.errno or 0]
            return "OK"

        assert result_of(act) == "ENETUNREACH"


def test_nothing_can_be_changed_but_in_the_folders_that_are_named(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        (folder / "file").touch()

    def act() -> tuple[bool, str, str]:
        namespaces.enter_read_only_mounts(by_user=enter())
        namespaces.make_writable([str(own)])
        (own / "file").chmod(0o600)
        (own / "new").write_text("x")
        return (own / "new").exists(), failure(other / "file", "chmod"), failure(other / "file", "write")

    assert result_of(act) == (True, "EROFS", "EROFS")
    assert (own / "new").exists()
    assert stat.S_IMODE((other / "file").stat().st_mode) != 0o777
    (other / "file").chmod(0o644)  # it can be done from outside


def failure(path: Path, what: str) -> str:
    try:
        path.chmod(0o777) if what == "chmod" else path.write_text("x")
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "OK"


@AS_ROOT
@pytest.mark.parametrize("read_all", [False, True])
def test_a_worker_of_root_has_another_user_and_no_privilege_but_reading(tmp_path: Path, *, read_all: bool) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0o600)
    tmp_path.chmod(0o700)

    def act() -> tuple[tuple[int, int, int], list[int], bool, bool]:
        identity.become(1_879_048_200, read_all=read_all)
        reads, writes = True, True
        try:
            (tmp_path / "file").read_text()
        except PermissionError:
            reads = False
        try:
            (tmp_path / "file").write_text("y")
        except PermissionError:
            writes = False
        return os.getresuid(), os.getgroups(), reads, writes

    assert result_of(act) == ((1_879_048_200,) * 3, [], read_all, False)


@AS_ROOT
def test_what_others_may_read_is_told_from_what_they_may_not() -> None:
    group = 1_879_048_202
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name), Path(name, "file")
        file.touch(mode=0o644)
        for mode, owner, expected in ((0o755, 0, True), (0o710, 0, False), (0o710, group, True), (0o700, group, False)):
            folder.chmod(mode)
            os.chown(folder, 0, owner)
            assert identity.readable_by_others([str(file)], group) == expected, oct(mode)
        folder.chmod(0o755)
        file.chmod(0o600)
        assert not identity.readable_by_others([str(file)], group)


#: Beyond those that plugins get, of whom there are some in tests that run beside this one.
UNUSED_USER = 1_879_048_192 + 0x10000 + 1
LIMITS = Limits(memory_mb=64, open_files=64, threads=16, data_mb=1)


def limited() -> None:
    rlimits.set_limits(LIMITS, counted_apart=False, counted_twice=False)


HOARDER = """if True:
    from cadence_sdk._runtime.limits import Limits
    from cadence_sdk._runtime.lockdown import rlimits
    had = bytearray(100 << 20)
    rlimits.set_limits(Limits(memory_mb=64), counted_apart=False, counted_twice=False)
    fits = len(bytearray(50 << 20))
    try:
        bytearray(65 << 20)
    except MemoryError:
        print(fits)
"""


def test_memory_is_bounded_beyond_what_the_process_had() -> None:
    """In an interpreter of its own: what the test's own process has freed and kept would be its to use again."""
    done = subprocess.run([sys.executable, "-c", HOARDER], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(50 << 20)]


def test_files_are_bounded_in_number_and_size_for_good(tmp_path: Path) -> None:
    def act() -> tuple[str, str, bool]:
        limited()
        opened: list[int] = []
        try:
            while len(opened) < 200:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            number = errno.errorcode[error.errno or 0]
        for fd in opened:
            os.close(fd)
        try:
            (tmp_path / "file").write_bytes(bytes(2 * 1024 * 1024))
        except OSError as error:
            size = errno.errorcode[error.errno or 0]
        return number, size, resource.getrlimit(resource.RLIMIT_NOFILE) == (64, 64)

    assert result_of(act) == ("EMFILE", "EFBIG", True)


@AS_ROOT
def test_threads_are_bounded_for_a_user_of_its_own() -> None:
    def act() -> int:
        threading.stack_size(STACK_BYTES)
        rlimits.set_limits(LIMITS, counted_apart=True, counted_twice=False)
        identity.become(UNUSED_USER, read_all=False)
        release = threading.Event()
        started = 0
        try:
            while started < 100:
                threading.Thread(target=release.wait, daemon=True).start()
                started += 1
        except RuntimeError:
            pass
        release.set()
        return started

    assert result_of(act) == LIMITS.threads + 2  # and those it has itself, of which this process has one
