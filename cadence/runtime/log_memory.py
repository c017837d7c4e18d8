"""The last of what each plugin wrote, as it came: to be written to the disk, and to be looked at until then."""

from collections import deque
from itertools import islice
from typing import NamedTuple

from cadence.runtime.log_lines import Context, Stream

#: What a line costs beside its text, so that a flood of empty ones is bounded too.
_LINE_COST_BYTES = 64
#: A byte that is no text is shown as four characters (``\xff``).
_ESCAPE_BYTES = 4


class Chunk(NamedTuple):
    """Lines of one version and stream that came at once, without the last one's end; ``before`` is what they find."""

    at: str
    version: str
    stream: Stream
    before: Context
    text: bytes

    @property
    def cost(self) -> int:
        """What they take, in bytes: at least as much as once they are shown."""
        size = len(self.text) * (1 if _is_text(self.text) else _ESCAPE_BYTES)
        return size + _LINE_COST_BYTES * (self.text.count(b"\n") + 1)


class PluginLog:
    """The last chunks of one plugin.

    :ivar lost: how many bytes there were before them.
    :ivar lost_untaken: how many of these were lost since the last :meth:`take`, and not taken before.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.lost_untaken = 0
        self._chunks: deque[tuple[Chunk, int]] = deque()
        self._size = 0
        #: So many of the last chunks were not taken yet.
        self._untaken = 0

    @property
    def untaken(self) -> bool:
        """Whether there is anything to take."""
        return self._untaken > 0

    def add(self, chunk: Chunk, max_bytes: int) -> None:
        """Keep the chunk, and of what there was before it so much as has room beside it."""
        cost = chunk.cost
        self._chunks.append((chunk, cost))
        self._size += cost
        self._untaken += 1
        while self._size > max_bytes:
            self._lose(self._size - max_bytes)

    def chunks(self) -> list[Chunk]:
        """All of them, oldest first."""
        return [chunk for chunk, _ in self._chunks]

    def take(self, max_bytes: int) -> list[Chunk]:
        """The oldest chunks that were not taken before, at least one, then as many as fit; they are kept too."""
        taken: list[Chunk] = []
        size = 0
        for chunk, _ in islice(self._chunks, len(self._chunks) - self._untaken, None):
            size += len(chunk.text)
            if taken and size > max_bytes:
                break
            taken.append(chunk)
        self._untaken -= len(taken)
        self.lost_untaken = 0
        return taken

    def _lose(self, excess: int) -> None:
        """Drop lines of the oldest chunk, at least one, for about so much room."""
        was_untaken = self._untaken == len(self._chunks)
        oldest, cost = self._chunks.popleft()
        self._size -= cost
        lost = len(oldest.text) + 1
        # Where the cut comes is reckoned, not searched: to go line by line would cost as much as to keep them.
        cut = oldest.text.find(b"\n", len(oldest.text) * excess // cost) if excess < cost else -1
        if cut >= 0:
            rest = oldest._replace(text=oldest.text[cut + 1 :])
            self._chunks.appendleft((rest, rest.cost))
            self._size += rest.cost
            lost -= len(rest.text) + 1
        elif was_untaken:
            self._untaken -= 1
        self.lost += lost
        if was_untaken:
            self.lost_untaken += lost


def _is_text(text: bytes) -> bool:
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False
