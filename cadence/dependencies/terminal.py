"""What uv says on its standard error, told apart: lines that stay, and the progress that it draws and draws again.

On a terminal uv (0.13) redraws its progress in place: ``CR``, ``ESC [2K`` (erase in line, ECMA-48), the new frame, and
no newline. A line that stays stands behind the last ``ESC [2K`` and ends in a newline. Frames of the preparing phase
(fetch and unpack) hold ``(3/11)`` behind a spinner, those of the installing phase ``[3/11]`` behind a bar.
"""

import re
from collections.abc import Callable

_CLEAR = "\x1b[2K"
# CSI, OSC and two-character sequences (ECMA-48, section 5.4; xterm's OSC may end in BEL).
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_SPINNER, _BAR = "⠀-⣿", "░█"
_FRAME = re.compile(rf"\s*[{_SPINNER}{_BAR}]")
_SAID_OVER_A_FRAME = re.compile(r"(?:error|warning|hint|cause): .*", re.DOTALL)
_PREPARED = re.compile(rf"[{_SPINNER}] [^()]*\((\d{{1,6}})/(\d{{1,6}})\)")
_INSTALLED = re.compile(rf"[{_BAR}] \[(\d{{1,6}})/(\d{{1,6}})\]")
# What it would say in lines of their own where it cannot draw.
_BUILD = re.compile(r"(?:^|\s{3})(Building|Built) (\S+)\s{2}")
_DOWNLOAD = re.compile(r"(?:^|\s)([A-Za-z0-9][\w.-]*)\s+-{30}\s+[\d.]+ [KMG]?i?B/([\d.]+ [MG]iB)\s")
# A frame is shorter; what is longer than that was not drawn by uv.
_LONGEST_FRAME_CHARACTERS = 8192

# A hostile package can have uv say anything, so what reads a line takes linear time: no run of characters is tried from
# each of them again.
_LONGEST_LINE_CHARACTERS = 16_384
_ADDRESS = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://[^\s`'\"<>]+")
_FOLDERS = re.compile(r"(?<![\w.:])/(?:[^\s`'\"/]+/)+")


def presentable(line: str) -> str:
    """A line without addresses (they name hosts and can hold credentials), folders and control characters."""
    without = _FOLDERS.sub("", _ADDRESS.sub(_unnamed, line[:_LONGEST_LINE_CHARACTERS]))
    return "".join(character if character.isprintable() else " " for character in without).rstrip()


def _unnamed(address: re.Match[str]) -> str:
    return "the package index)" if address[0].endswith(")") else "the package index"


class Lines:
    """Bytes to lines that may be shown: passed on as they come, and kept.

    :ivar steps: rises with everything that shows progress.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.steps = 0
        self._on_line = on_line
        self._lines_bytes = 0
        self._rest = b""
        self._kept: list[str] = []

    @property
    def text(self) -> str:
        """All lines that stayed."""
        return "\n".join(self._kept)

    @property
    def size_bytes(self) -> int:
        """The size of what came and was not drawn over."""
        return self._lines_bytes + len(self._rest)

    def feed(self, chunk: bytes) -> None:
        """Take more bytes; none at all means that no more will come."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk and self._rest:
            whole.append(self._rest)
            self._rest = b""
        for line in whole:
            self._lines_bytes += len(line) + 1
            self._keep(self._settled(line.decode(errors="replace")))

    def _settled(self, line: str) -> str:
        return _ESCAPE.sub("", line)

    def _keep(self, line: str) -> None:
        self.steps += 1
        shown = presentable(line)
        self._kept.append(shown)
        if shown:
            self._on_line(shown)


class Screen(Lines):
    """The same of a terminal: what is drawn over is no line, and is read for its counts.

    A package counts as done when it has been fetched and unpacked, and so do those of ``packages`` that needed
    neither because uv had them: a count never falls, and installing, which takes a moment, does not start it again.

    :param on_count: is given how many packages are done, and of how many.
    :param packages: how many there are; 0 where that is not known.
    """

    def __init__(self, on_line: Callable[[str], None], on_count: Callable[[int, int], None], packages: int = 0) -> None:
        super().__init__(on_line)
        self._on_count = on_count
        self._packages = packages
        self._done = -1
        self._told: set[str] = set()

    def feed(self, chunk: bytes) -> None:
        """Take more bytes; none at all means that no more will come."""
        super().feed(chunk)
        *drawn, self._rest = self._rest.split(_CLEAR.encode())
        for frame in [*drawn, self._rest]:
            self._read(frame)

    def _settled(self, line: str) -> str:
        *drawn, last = line.split(_CLEAR)
        for frame in drawn:
            self._read(frame.encode())
        text = super()._settled(last)
        if not _FRAME.match(text):
            return text
        said = _SAID_OVER_A_FRAME.search(text)
        return said[0] if said else ""

    def _read(self, frame: bytes) -> None:
        text = _ESCAPE.sub("", frame[-_LONGEST_FRAME_CHARACTERS:].decode(errors="replace"))
        for done, total in _PREPARED.findall(text):
            self._count(int(done), int(total))
        for _, total in _INSTALLED.findall(text):
            self._count(int(total), int(total))
        for verb, package in _BUILD.findall(text):
            self._tell(f"{verb} {package}")
        for package, size in _DOWNLOAD.findall(text):
            self._tell(f"Downloading {package} ({size})")

    def _count(self, done: int, total: int) -> None:
        everything = max(self._packages, total)
        ready = everything - total + done
        if total and self._done < ready <= everything:
            self._done = ready
            self.steps += 1
            self._on_count(ready, everything)

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._on_line(presentable(line))
