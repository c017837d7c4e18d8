"""Chunks and files of logs, made by hand."""

from collections.abc import Sequence

from cadence.runtime.log_files import LogFiles
from cadence.runtime.log_lines import LogFilter, LogLine, LogPage, Stream, beginning
from cadence.runtime.log_memory import Chunk

NAME = "demo_plugin"
EVERY = LogFilter()


def chunk(
    text: str, at: str = "2026-01-01T00:00:00.000+00:00", version: str = "1.0.0", stream: Stream = Stream.STDOUT
) -> Chunk:
    """Lines that came at once."""
    return Chunk(at, version, stream, beginning(stream), text.encode())


def write(files: LogFiles, *chunks: Chunk, name: str = NAME) -> None:
    """Add chunks to a log, as the thread that writes does."""
    with files.lock(1.0), files.appending(name) as log:
        for one in chunks:
            log.append(one)


def texts(lines: Sequence[LogLine] | LogPage) -> list[str]:
    return [line.text for line in (lines.lines if isinstance(lines, LogPage) else lines)]


def everything(files: LogFiles, limit: int = 1000, wanted: LogFilter = EVERY) -> list[str]:
    """All that is kept, read page by page from the beginning."""
    found: list[str] = []
    cursor, more = "0", True
    while more:
        page = files.read(NAME, cursor, limit, wanted)
        found += texts(page)
        cursor, more = page.cursor, page.more
    return found
