"""Made-up logs: lines in memory, read as those on the disk are."""

from datetime import UTC, datetime

from cadence.errors import NotFound
from cadence.runtime.log_lines import Level, LogLine, LogPage, Stream
from cadence.web.logs import LogQuestion
from cadence.web.present import PluginView


def log_line(text: str, level: Level = Level.INFO, stream: Stream = Stream.STDOUT, at: str | None = None) -> LogLine:
    """A line with every field filled."""
    return LogLine(at or datetime.now(UTC).isoformat(timespec="milliseconds"), "1.0.0", text, stream, level)


class MadeUpLogs:
    """Services of logs. ``logged`` has the lines by plugin; a cursor is how many there were; ``gap`` is told as is."""

    installed: list[PluginView]

    def __init__(self) -> None:
        self.logged: dict[str, list[LogLine]] = {}
        self.gap = 0
        self.log_questions: list[LogQuestion] = []

    def log(self, name: str, asked: LogQuestion) -> LogPage:
        """The last lines that are wanted, or those behind a cursor."""
        self.log_questions.append(asked)
        if not any(plugin.name == name for plugin in self.installed):
            raise NotFound(f"No plugin {name!r} is installed.")
        lines, wanted = self.logged.get(name, []), asked.wanted
        behind = lines[int(asked.after) :] if asked.after else lines
        found = [
            line
            for line in behind
            if wanted.takes(line.version, line.stream)
            and wanted.takes_level(line.level)
            and wanted.takes_text(line.text)
        ]
        more = asked.after is not None and len(found) > asked.limit
        gap = self.gap if asked.after else 0
        return LogPage(tuple(found[: asked.limit] if more else found[-asked.limit :]), str(len(lines)), gap, more)
