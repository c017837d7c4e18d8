"""What a real worker prints and logs comes to its log by stream and level, and to the disk."""

from collections.abc import Iterator

import pytest

from cadence.errors import ValidationFailed, WorkerEnded
from cadence.parts import Parts
from cadence.runtime.log_lines import Level, LogLine, Stream
from tests.runtime.house import House, eventually, with_ping

TOOLS = with_ping(
    """
    import logging, os, sys, threading, traceback

    log = logging.getLogger("demo")
    print("while it loads")

    @tool
    def talk() -> str:
        "Print and log."
        print("printed")
        sys.stdout.flush()
        log.info("informed")
        log.warning("warned\\nof two things")
        try:
            raise KeyError("key")
        except KeyError:
            log.exception("went wrong")
        os.write(1, b"written\\n")
        os.write(2, b"complained\\n")
        return "done"

    @tool
    def fail_in_a_thread() -> str:
        "Have Python print a traceback."
        def fail() -> None:
            raise ValueError("nobody caught it")
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        return "done"

    @tool
    def die() -> None:
        "End with a reason."
        print("on the way out")
        print("the reason", file=sys.stderr)
        os._exit(3)
    """,
    "talk",
    "fail_in_a_thread",
    "die",
)


@pytest.fixture
def house(parts: Parts) -> Iterator[House]:
    yield House(parts)
    parts.close()


def lines(house: House, stream: Stream | None = None) -> list[LogLine]:
    page = house.parts.log_files.read("demo_plugin", "0", 1000)
    return [line for line in page.lines if stream in (None, line.stream)]


def levels(house: House, stream: Stream) -> list[tuple[str, str]]:
    """The lines of a stream without what a traceback has of places in files."""
    return [(line.level, line.text) for line in lines(house, stream) if not line.text.startswith("  ")]


def test_both_streams_come_to_the_disk_each_in_its_order_with_levels(house: House) -> None:
    house.install(TOOLS)
    house.call("talk")
    eventually(lambda: "complained" in [line.text for line in lines(house)])
    assert levels(house, Stream.STDOUT) == [("INFO", "while it loads"), ("INFO", "printed"), ("INFO", "written")]
    assert levels(house, Stream.STDERR) == [
        ("INFO", "INFO demo: informed"),
        ("WARNING", "WARNING demo: warned"),
        ("WARNING", "of two things"),
        ("ERROR", "ERROR demo: went wrong"),
        ("ERROR", "Traceback (most recent call last):"),
        ("ERROR", "KeyError: 'key'"),
        ("WARNING", "complained"),
    ]
    assert {line.version for line in lines(house)} == {"1.0.0"}


def test_a_traceback_that_python_prints_is_an_error(house: House) -> None:
    house.install(TOOLS)
    house.call("fail_in_a_thread")
    eventually(lambda: "ValueError: nobody caught it" in [line.text for line in lines(house)])
    traceback = lines(house, Stream.STDERR)[1:]
    assert traceback[0].text.startswith("Traceback")
    assert {line.level for line in traceback} == {Level.ERROR}


def test_the_death_of_a_worker_is_in_its_log_behind_its_last_words(house: House) -> None:
    house.install(TOOLS)
    with pytest.raises(WorkerEnded):
        house.call("die")
    noted = eventually(lambda: lines(house, Stream.CADENCE))
    assert [(line.level, "ended by itself with exit code 3" in line.text) for line in noted] == [("ERROR", True)]
    eventually(lambda: {"on the way out", "the reason"} <= {line.text for line in lines(house)})


def test_of_a_worker_that_dies_while_it_loads_the_last_words_are_told(house: House) -> None:
    with pytest.raises(ValidationFailed) as refused:
        house.install("import os, sys\nprint('on the way')\nprint('the reason', file=sys.stderr)\nos._exit(3)")
    assert "the reason" in refused.value.in_words


def test_what_a_failed_trial_wrote_can_be_read(house: House) -> None:
    with pytest.raises(ValidationFailed):
        house.install("print('the cellar is flooded')\nraise SystemExit('no')")
    eventually(lambda: "the cellar is flooded" in [line.text for line in lines(house)])
