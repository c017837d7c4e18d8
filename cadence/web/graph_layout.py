"""Where the nodes of the conversation graph stand in its picture, and how the lines between them run.

The way of every turn goes from left to right along the top: start, coordinator, synthesizer, end. Below it stands one
plugin to a line, its agent and its tools side by side, and last what explains a limit. Lines run level and upright,
around the nodes. All is in pixels, from the upper left corner.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from cadence.chat.values import Node, Picture

Point = tuple[int, int]

MARGIN = 16
LANE = 24
"""Room above the first line, and at the right, for lines that run around."""

BOX_HEIGHT = 48
PITCH = 64
"""From one line to the next. Where lines of the same dashes run together, their dashes fall together by it."""

ASIDE = 9
"""How far from the middle of a node's side a line ends that must not run into another."""

RISE = 16
"""How far above a node a line runs that leaves at its top."""

_COLUMNS = ((16, 72), (136, 128), (328, 240), (632, 216))
"""Left edge and width of each column."""

_TOP: Mapping[str, int] = {"start": 0, "coordinator": 1, "synthesizer": 2, "end": 3}
_AGENTS, _TOOLS = 2, 3


class Box(Struct, frozen=True):
    """A node at its place. ``row`` and ``column`` count from 0."""

    node: Node
    row: int
    column: int
    x: int
    y: int
    width: int
    height: int = BOX_HEIGHT

    @property
    def middle(self) -> Point:
        """Its centre."""
        return self.x + self.width // 2, self.y + self.height // 2

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Its lower edge."""
        return self.y + self.height


class Line(Struct, frozen=True):
    """An edge as a line through ``points``; with ``both`` there is one the other way round too.

    ``conditional`` is whether a condition decides about it.
    """

    source: str
    target: str
    points: tuple[Point, ...]
    conditional: bool
    both: bool = False

    @property
    def path(self) -> str:
        """As the ``d`` of an SVG path (SVG 2, section 9.3)."""
        return "M" + " L".join(f"{x} {y}" for x, y in self.points)


class Layout(Struct, frozen=True):
    """The picture."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def layout(picture: Picture) -> Layout:
    """Place the nodes and draw the lines. Edges to nodes that are not there are left out."""
    boxes = _boxes(picture.nodes)
    width = _COLUMNS[-1][0] + _COLUMNS[-1][1] + LANE + MARGIN
    height = max((box.bottom for box in boxes.values()), default=0) + MARGIN
    return Layout(width, height, tuple(boxes.values()), tuple(_lines(picture.edges, boxes, width)))


def _boxes(nodes: Iterable[Node]) -> dict[str, Box]:
    """Each node at its place. On the top line there is one of each kind."""
    rows: dict[str, int] = {}
    below: list[Node] = []
    boxes: dict[str, Box] = {}
    for node in nodes:
        if node.kind in ("agent", "tools"):
            row = rows.setdefault(node.plugin or node.id, len(rows) + 1)
            boxes[node.id] = _box(node, row, _AGENTS if node.kind == "agent" else _TOOLS)
        elif node.kind in _TOP:
            boxes[node.id] = _box(node, 0, _TOP[node.kind])
        else:
            below.append(node)
    for row, node in enumerate(below, len(rows) + 1):
        boxes[node.id] = _box(node, row, _AGENTS)
    return boxes


def _box(node: Node, row: int, column: int) -> Box:
    x, width = _COLUMNS[column]
    return Box(node, row, column, x, MARGIN + LANE + row * PITCH, width)


def _lines(edges: Sequence[tuple[str, str, bool]], boxes: Mapping[str, Box], width: int) -> list[Line]:
    lines: dict[frozenset[str], Line] = {}
    for source, target, conditional in edges:
        if source not in boxes or target not in boxes:
            continue
        pair = frozenset((source, target))
        if pair not in lines:
            points = _points(boxes[source], boxes[target], list(boxes.values()), width)
            lines[pair] = Line(source, target, points, conditional)
        elif lines[pair].source == target:
            there = lines[pair]
            lines[pair] = Line(target, source, there.points, there.conditional or conditional, both=True)
    return list(lines.values())


def _points(a: Box, b: Box, boxes: Collection[Box], width: int) -> tuple[Point, ...]:
    if a is b:
        return _loop(a)
    if a.row == b.row:
        return _over(a, b) if _is_between(a, b, a.row, boxes) else _level(a, b)
    if a.row < b.row and a.column < b.column and not _is_between(a, b, b.row, boxes):
        return _elbow(a, b)
    if b.row < a.row and b.column < a.column and not _is_between(a, b, a.row, boxes):
        return tuple(reversed(_elbow(b, a)))
    if a.column == b.column:
        return _beside(a, b)
    return _around(a, b, boxes, width)


def _is_between(a: Box, b: Box, row: int, boxes: Iterable[Box]) -> bool:
    """Whether something stands in a row, in a column between those of two nodes."""
    columns = range(min(a.column, b.column) + 1, max(a.column, b.column))
    return any(box.row == row and box.column in columns for box in boxes)


def _level(a: Box, b: Box) -> tuple[Point, ...]:
    """Straight from one to its neighbour."""
    y = a.middle[1]
    return ((a.right, y), (b.x, y)) if a.column < b.column else ((a.x, y), (b.right, y))


def _loop(a: Box) -> tuple[Point, ...]:
    """Out at the top of a node and in again, left of its middle."""
    x, y = a.middle[0] - 2 * ASIDE, a.y - RISE
    return (x, a.y), (x, y), (x - 2 * ASIDE, y), (x - 2 * ASIDE, a.y)


def _over(a: Box, b: Box) -> tuple[Point, ...]:
    """Over the nodes between them."""
    y = a.y - RISE
    return (a.middle[0], a.y), (a.middle[0], y), (b.middle[0], y), (b.middle[0], b.y)


def _elbow(a: Box, b: Box) -> tuple[Point, ...]:
    """Down from one, then to the right."""
    return (a.middle[0], a.bottom), (a.middle[0], b.middle[1]), (b.x, b.middle[1])


def _beside(a: Box, b: Box) -> tuple[Point, ...]:
    """At the left of a column, past what stands between them."""
    x = a.x - LANE
    return (a.x, a.middle[1] + ASIDE), (x, a.middle[1] + ASIDE), (x, b.middle[1] + ASIDE), (b.x, b.middle[1] + ASIDE)


def _around(a: Box, b: Box, boxes: Collection[Box], width: int) -> tuple[Point, ...]:
    """Out to the right, up or down at the edge of the picture, and back."""
    x = width - MARGIN
    there, back = _out(a, boxes, x), _out(b, boxes, x)
    return *there, *reversed(back)


def _out(box: Box, boxes: Collection[Box], x: int) -> tuple[Point, ...]:
    """From a node to the edge of the picture, below what stands there."""
    level = box.middle[1]
    if not any(other.row == box.row and other.column > box.column for other in boxes):
        return (box.right, level), (x, level)
    below = box.bottom + (PITCH - BOX_HEIGHT) // 2
    return (box.middle[0], box.bottom), (box.middle[0], below), (x, below)
