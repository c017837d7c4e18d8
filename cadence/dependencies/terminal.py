"""What uv says on its standard error, told apart: lines that stay, and the progress that it draws and draws again.

On a terminal uv (0.13) redraws its progress in place: ``CR``, ``ESC [2K`` (erase in line, ECMA-48), the new frame, and
no newline. A line that stays stands behind the last ``ESC [2K`` and ends in a newline. Frames of the preparing phase
(fetch and unpack) hold ``(3/11)`` behind a spinner, those of the installing phase ``[3/11]`` behind a bar.

A thread of uv draws, five times a second, while another says a line piece by piece (``hint``, ``:``, a space, the
words, the newline). So a frame can fall behind a line, over it, and between any two of its pieces.
"""

import re
from collections.abc import Callable

_CLEAR = "\x1b[2K"
# CSI, OSC and two-character sequences (ECMA-48, section 5.4; xterm's OSC may end in BEL).
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_SPINNER, _BAR = "⠀-⣿", "░█"
_FRAME = re.compile(rf"\s*[{_SPINNER}{_BAR}]")
# SGR, the colours (ECMA-48, section 8.3.117).
_COLOR = r"(?:\x1b\[[0-9;]*m)*+"
_SAID = re.compile(r"\b(error|warning|hint|cause):\s*(.*)", re.DOTALL)
_SAID_IN_PART = re.compile(r"\s*(?:error|warning|hint|cause)(?::|$)")
# What it draws where it may say something too. The words of a frame go as far as their colour, or the room that fills
# the row; no package is named so that it looks like something said.
_DRAWN = re.compile(
    rf"[{_SPINNER}]{_COLOR} {_COLOR}"
    rf"(?:(?!(?:error|warning|hint|cause):|\s{{3}})[^\x1b{_SPINNER}])*+\s*+{_COLOR}(?: \(\d+/\d+\)\s*+)?+"
    rf"|(?<![{_BAR}])[{_BAR}]++ \[\d+/\d+\] {_COLOR}Installing wheels\.\.\.\s*+{_COLOR}"
)
_ROW = re.compile(
    r"(?<![\w.-])[A-Za-z0-9][\w.-]*+\s++-{30}\s++[\d.]++ [KMG]?i?B/[\d.]++ [KMG]?i?B\s*+"
    r"|\s{3}(?:Building|Built) \S++\s{3}"
)
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


def _words(drawn: str) -> str:
    """What is said in a piece of what came, without what is drawn there."""
    return _ROW.sub("", _ESCAPE.sub("", _DRAWN.sub("", drawn))).rstrip("\r")


def _said(words: str) -> str:
    """The line in ``words`` that begins as uv begins what it has to say; empty where there is none."""
    found = _SAID.search(words)
    return f"{found[1]}: {found[2]}" if found else ""


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
    """The same of a terminal: what is drawn over is read for its counts, and is no line unless it was said as one.

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
        self._drawn_over = ""

    def feed(self, chunk: bytes) -> None:
        """Take more bytes; none at all means that no more will come."""
        super().feed(chunk)
        *drawn, self._rest = self._rest.split(_CLEAR.encode())
        for piece in drawn:
            self._draw_over(piece)
        self._read(self._rest)

    def _settled(self, line: str) -> str:
        *drawn, last = line.split(_CLEAR)
        for piece in drawn:
            self._draw_over(piece.encode())
        before, self._drawn_over = self._drawn_over, ""
        words, text = _words(last), super()._settled(last)
        if before and (said := _said(before + words)):
            return said
        return (_said(words) or _said(text)) if _FRAME.match(text) else words

    def _draw_over(self, piece: bytes) -> None:
        """Read it, and keep what is said in it: the rest of the line may yet come."""
        self._read(piece)
        words = _words(piece[:_LONGEST_LINE_CHARACTERS].decode(errors="replace"))
        if self._drawn_over or _SAID_IN_PART.match(words):
            self._drawn_over = (self._drawn_over + words)[:_LONGEST_LINE_CHARACTERS]

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
