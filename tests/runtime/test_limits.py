"""Limits that plugins come to: what is beyond them fails, in words that name the limit, wherever one looks."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.errors import CallTimedOut, LimitReached, ToolRaised, ValidationFailed, WorkerEnded
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.runtime.house import House, eventually, with_ping

MEMORY_MB, DATA_MB, OPEN_FILES, THREADS = 64, 8, 64, 16
OUT_OF_MEMORY = rf"memory limit of {MEMORY_MB} MiB reached"
OUT_OF_DISK = rf"data limit of {DATA_MB} MiB reached"

GREEDY = """
    import ctypes, mmap, subprocess, sys, tempfile, threading, time
    from pathlib import Path

    KEPT = []
    DATA = Path(os.environ["CADENCE_PLUGIN_DATA"])

    @tool
    def at_once() -> int:
        "Memory in one piece."
        return len(bytearray(1 << 30))

    @tool
    async def at_once_async() -> int:
        "The same, on the event loop."
        return len(bytearray(1 << 30))

    @tool
    def by_and_by() -> int:
        "Memory in small pieces."
        pieces = []
        while True:
            pieces.append(bytearray(100_000))

    @tool
    def disguised() -> None:
        "An error that only came of the lack of memory."
        try:
            bytearray(1 << 30)
        except MemoryError as error:
            raise ValueError("the input is wrong") from error

    @tool
    def grouped() -> None:
        "One of several errors is the lack of memory."
        raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("more", [MemoryError()])])

    @tool
    def mapped() -> None:
        "Memory that the kernel gives by another way."
        KEPT.append(mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    @tool
    def shared() -> None:
        "Memory that no limit of a process counts."
        memory = mmap.mmap(-1, 1 << 30)
        for start in range(0, 1 << 30, 1 << 20):
            memory[start : start + (1 << 20)] = bytes(1 << 20)
            time.sleep(0.001)
        time.sleep(1000)

    @tool
    def hog() -> None:
        "Take all the memory there is, and keep it."
        for size in (1 << 20, 1 << 16, 1 << 12):
            try:
                while True:
                    KEPT.append(bytearray(size))
            except MemoryError:
                continue

    @tool
    def crash_full() -> None:
        "Crash, as a library does whose memory ran out."
        KEPT.append(b"x" * (60 << 20))
        ctypes.string_at(0)

    @tool
    def crash() -> None:
        "Crash, for whatever reason."
        ctypes.string_at(0)

    @tool
    def open_many() -> None:
        "Open files without end."
        files = []
        while True:
            files.append(open("/dev/null"))

    @tool
    def run_threads() -> None:
        "Start threads without end."
        stop = threading.Event()
        try:
            while True:
                threading.Thread(target=stop.wait, daemon=True).start()
        finally:
            stop.set()

    @tool
    def start_process() -> None:
        "Start a process."
        subprocess.run([sys.executable, "-c", ""])

    @tool
    def fork() -> None:
        "Start a process, oneself."
        if os.fork() == 0:
            os._exit(0)

    @tool
    def write_large() -> None:
        "One file that is too large."
        with open(DATA / "large", "wb") as file:
            file.truncate(1 << 30)

    @tool
    def write_many(folder: str) -> None:
        "Files that are too large together."
        for number in range(20):
            Path(folder or DATA, str(number)).write_bytes(bytes(1 << 20))
        time.sleep(1000)

    @tool
    def write_temporary() -> None:
        "Temporary files, too large together."
        for number in range(20):
            Path(tempfile.gettempdir(), str(number)).write_bytes(bytes(1 << 20))
        time.sleep(1000)

    @tool
    def write_empty() -> None:
        "Files without content, too many together."
        for number in range(5000):
            Path(DATA, str(number)).touch()
        time.sleep(1000)

    @tool
    def write_unnamed() -> None:
        "Files that nobody finds."
        files = []
        for number in range(20):
            files.append(open(DATA / "nameless", "wb"))
            files[-1].write(bytes(1 << 20))
            files[-1].flush()
            os.unlink(DATA / "nameless")
        time.sleep(1000)

    @tool
    def write_note(text: str) -> None:
        "A small file."
        (DATA / "note").write_text(text)

    @tool
    def read_one() -> int:
        "The size of a file."
        return len((DATA / "0").read_bytes())

    @tool
    def delete_all() -> int:
        "Make room."
        return len([path.unlink() for path in DATA.iterdir()])

    @tool
    def echo(text: str) -> int:
        "How much was said."
        return len(text)

    @tool
    def hang() -> None:
        "Never answer."
        time.sleep(1000)
"""
NAMES = [line.strip().split("def ")[1].split("(")[0] for line in GREEDY.splitlines() if "def " in line]
TOOLS = with_ping(GREEDY, *NAMES)


@pytest.fixture
def bounded(settings: Settings, zygote: Zygote) -> Iterator[House]:
    """A house whose plugins get little."""
    little = replace(
        settings,
        plugin_memory_mb=MEMORY_MB,
        plugin_data_mb=DATA_MB,
        plugin_open_files=OPEN_FILES,
        plugin_threads=THREADS,
    )
    parts = Parts(little, zygote)
    yield House(parts)
    parts.close()


def log_of(house: House) -> str:
    return "\n".join(line.text for line in house.running.logs.tail("demo_plugin"))


@pytest.mark.parametrize("tool", ["at_once", "at_once_async", "by_and_by", "disguised", "grouped", "mapped"])
def test_a_tool_that_asks_for_too_much_memory_fails_by_the_limit_and_its_worker_is_replaced(
    bounded: House, tool: str
) -> None:
    bounded.install(TOOLS)
    before = bounded.pid()
    with pytest.raises(LimitReached, match=OUT_OF_MEMORY):
        bounded.call(tool)
    bounded.await_replacement(before)
    assert bounded.call("echo", text="hello") == 5
    eventually(lambda: f"memory limit of {MEMORY_MB} MiB reached" in log_of(bounded))


def test_shared_memory_beyond_the_limit_ends_the_worker_which_is_said_everywhere(bounded: House) -> None:
    bounded.install(TOOLS)
    before = bounded.pid()
    with pytest.raises(LimitReached, match=OUT_OF_MEMORY):
        bounded.call("shared")
    bounded.await_replacement(before)
    eventually(lambda: f"memory limit of {MEMORY_MB} MiB reached" in log_of(bounded))


def test_a_worker_without_any_memory_left_ends_in_words_and_does_not_hang(bounded: House) -> None:
    bounded.install(TOOLS)
    before = bounded.pid()
    # Wherever it ends: a call that was not sent to it yet is answered by the next one.
    with suppress(LimitReached):
        bounded.call("hog")
        bounded.call("echo", text="x" * 12_000_000)
    bounded.await_replacement(before)
    eventually(lambda: f"memory limit of {MEMORY_MB} MiB reached" in log_of(bounded))
    assert bounded.call("echo", text="hello") == 5


def test_a_crash_near_the_memory_limit_says_so_and_another_does_not(bounded: House) -> None:
    bounded.install(TOOLS)
    with pytest.raises(WorkerEnded, match=rf"SIGSEGV\), near its memory limit of {MEMORY_MB} MiB"):
        bounded.call("crash_full")
    bounded.await_replacement(None)
    with pytest.raises(WorkerEnded, match=r"SIGSEGV\)\.$"):
        bounded.call("crash")


@pytest.mark.parametrize(
    ("tool", "sentence"),
    [
        ("open_many", f"The limit is {OPEN_FILES} open files."),
        ("run_threads", f"The limits are {THREADS} threads, and {MEMORY_MB} MiB of memory, their stacks included."),
        ("start_process", "The limit is 0 processes."),
        ("fork", "The limit is 0 processes."),
        ("write_large", f"The limit is {DATA_MB} MiB for all its files together."),
    ],
)
def test_an_error_that_comes_of_a_limit_names_it(bounded: House, tool: str, sentence: str) -> None:
    bounded.install(TOOLS)
    with pytest.raises(ToolRaised) as caught:
        bounded.call(tool)
    assert caught.value.sentences[1:] == (sentence,)
    assert bounded.call("echo", text="hello") == 5


@pytest.mark.parametrize("tool", ["write_temporary", "write_empty", "write_unnamed"])
def test_files_beyond_the_limit_end_the_worker_whatever_they_are(bounded: House, tool: str) -> None:
    bounded.install(TOOLS)
    before = bounded.pid()
    with pytest.raises(LimitReached, match=OUT_OF_DISK):
        bounded.call(tool)
    bounded.await_replacement(before)
    eventually(lambda: f"data limit of {DATA_MB} MiB reached" in log_of(bounded))


def test_a_plugin_with_a_full_data_directory_can_read_and_delete_there_until_it_has_made_room(bounded: House) -> None:
    bounded.install(TOOLS)
    before = bounded.pid()
    with pytest.raises(LimitReached, match=OUT_OF_DISK):
        bounded.call("write_many", folder="")
    bounded.await_replacement(before)
    status = bounded.live().error
    assert status is not None
    assert f"Data limit of {DATA_MB} MiB reached: the plugin may only read and delete there" in status
    with pytest.raises(ToolRaised) as caught:
        bounded.call("write_note", text="one more")
    assert caught.value.sentences[1:] == (
        f"Data limit of {DATA_MB} MiB reached: until files are deleted it may only read and delete there.",
    )
    assert bounded.call("read_one") == 1 << 20
    assert bounded.call("delete_all") > 0
    eventually(lambda: bounded.live().error is None)
    bounded.call("write_note", text="room")


def test_a_plugin_with_a_full_data_directory_cannot_fill_the_disk_with_temporary_files_either(bounded: House) -> None:
    bounded.install(TOOLS)
    with pytest.raises(LimitReached, match=OUT_OF_DISK):
        bounded.call("write_many", folder="")
    eventually(lambda: bounded.live().error is not None and bounded.live().status == "live")
    with pytest.raises(LimitReached, match=OUT_OF_DISK):
        bounded.call("write_temporary")


def test_temporary_files_go_with_the_worker(bounded: House, settings: Settings) -> None:
    bounded.install(TOOLS)
    before = bounded.pid()
    with pytest.raises(LimitReached):
        bounded.call("write_temporary")
    bounded.await_replacement(before)
    bounded.await_only("demo_plugin")
    assert sum(path.stat().st_size for path in Path(settings.instance, "run").rglob("tmp/*")) == 0


def test_a_plugin_that_needs_too_much_memory_to_load_is_refused_by_the_limit(bounded: House) -> None:
    with pytest.raises(ValidationFailed, match=OUT_OF_MEMORY.replace("memory", "Memory")) as caught:
        bounded.install(with_ping("MODEL = bytearray(1 << 30)"))
    assert [fault.code for fault in caught.value.faults] == ["memory_limit"]


def test_a_plugin_that_is_ended_for_its_memory_while_it_loads_is_refused_by_the_limit(bounded: House) -> None:
    body = """
        import mmap, time
        MODEL = mmap.mmap(-1, 1 << 30)
        for start in range(0, 1 << 30, 1 << 20):
            MODEL[start : start + (1 << 20)] = bytes(1 << 20)
            time.sleep(0.001)
        time.sleep(1000)
    """
    with pytest.raises(ValidationFailed, match=OUT_OF_MEMORY) as caught:
        bounded.install(with_ping(body))
    assert [fault.code for fault in caught.value.faults] == ["limit_reached"]


def test_a_health_check_that_comes_to_a_limit_names_it(bounded: House) -> None:
    check = """
        @staticmethod
        def health_check():
            import os
            if os.path.exists(os.environ["CADENCE_PLUGIN_DATA"] + "/note"):
                bytearray(1 << 30)
            return {"healthy": True}
    """
    bounded.install(TOOLS, plugin_body=check)
    bounded.call("write_note", text="now")
    report = bounded.live_set.check_health("demo_plugin")
    assert not report.healthy
    assert f"Memory limit of {MEMORY_MB} MiB reached." in (report.error or "")


def test_a_call_past_its_deadline_names_the_limit(impatient: House) -> None:
    impatient.install(TOOLS)
    with pytest.raises(CallTimedOut, match=r"did not answer within 2 s\. .*: call limit of 2 s reached\."):
        impatient.call("hang")
