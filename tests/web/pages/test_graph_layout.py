"""Where the nodes of the conversation graph stand, and that no line runs through one of them."""

from itertools import combinations, pairwise

import pytest

from cadence.chat.values import Node, Picture
from cadence.web.graph_layout import Box, Layout, Line, Point, layout
from tests.web.pages.preview_chat import graph

SIZES = (0, 1, 5, 32)


def of(count: int) -> Layout:
    return layout(graph(*(f"plugin_{number}" for number in range(count))))


def box(drawn: Layout, id_: str) -> Box:
    return next(one for one in drawn.boxes if one.node.id == id_)


def line(drawn: Layout, source: str, target: str) -> Line:
    return next(one for one in drawn.lines if {one.source, one.target} == {source, target})


def is_on_border(point: Point, box: Box) -> bool:
    x, y = point
    inside = box.x <= x <= box.right and box.y <= y <= box.bottom
    return inside and (x in (box.x, box.right) or y in (box.y, box.bottom))


def cuts(one: Point, other: Point, box: Box) -> bool:
    """Whether a level or upright piece of a line runs through the inside of a box."""
    (left, right), (top, bottom) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    return left < box.right and right > box.x and top < box.bottom and bottom > box.y


@pytest.mark.parametrize("count", SIZES)
def test_every_node_has_its_place_inside_the_picture(count: int) -> None:
    drawn = of(count)
    assert len(drawn.boxes) == 5 + 2 * count
    for one in drawn.boxes:
        assert one.x >= 0
        assert one.y >= 0
        assert one.right <= drawn.width
        assert one.bottom <= drawn.height


@pytest.mark.parametrize("count", SIZES)
def test_no_two_nodes_overlap(count: int) -> None:
    for one, other in combinations(of(count).boxes, 2):
        apart = one.right < other.x or other.right < one.x or one.bottom < other.y or other.bottom < one.y
        assert apart, (one.node.id, other.node.id)


@pytest.mark.parametrize("count", SIZES)
def test_every_edge_is_drawn_from_border_to_border_and_through_no_node(count: int) -> None:
    drawn = of(count)
    edges = graph(*(f"plugin_{number}" for number in range(count))).edges
    assert {frozenset(edge[:2]) for edge in edges} == {frozenset((one.source, one.target)) for one in drawn.lines}
    for one in drawn.lines:
        assert is_on_border(one.points[0], box(drawn, one.source)), one
        assert is_on_border(one.points[-1], box(drawn, one.target)), one
        for here, there in pairwise(one.points):
            assert here[0] == there[0] or here[1] == there[1], one
            assert 0 <= there[0] <= drawn.width
            assert 0 <= there[1] <= drawn.height
            for other in drawn.boxes:
                assert not cuts(here, there, other), (one.source, one.target, other.node.id)


def test_the_way_of_a_turn_goes_from_left_to_right() -> None:
    drawn = of(3)
    way = [box(drawn, id_) for id_ in ("__start__", "coordinator", "synthesizer", "__end__")]
    assert [one.x for one in way] == sorted(one.x for one in way)
    assert len({one.y for one in way}) == 1


def test_tools_stand_beside_their_agent_and_each_plugin_on_a_line_of_its_own() -> None:
    drawn = of(5)
    rows = [box(drawn, f"plugin_{number}_agent").y for number in range(5)]
    assert rows == sorted(set(rows))
    assert rows == [box(drawn, f"plugin_{number}_tools").y for number in range(5)]
    assert box(drawn, "suspend").y > max(rows)


def test_the_picture_grows_downwards_alone() -> None:
    assert of(32).width == of(1).width
    assert of(32).height > of(5).height > of(1).height


def test_there_and_back_is_one_line_with_two_heads() -> None:
    drawn = of(1)
    assert line(drawn, "coordinator", "plugin_0_agent").both
    assert line(drawn, "plugin_0_agent", "plugin_0_tools").both
    assert not line(drawn, "__start__", "coordinator").both


def test_what_a_condition_decides_is_marked() -> None:
    drawn = of(1)
    assert line(drawn, "coordinator", "plugin_0_agent").conditional
    assert not line(drawn, "synthesizer", "__end__").conditional


def test_edges_that_are_not_usual_are_drawn_around_the_nodes() -> None:
    usual = graph("one", "two")
    more = (("one_agent", "__end__", True), ("one_tools", "coordinator", True), ("one_tools", "suspend", True))
    drawn = layout(Picture(usual.nodes, usual.edges + more))
    for edge in more:
        one = line(drawn, *edge[:2])
        assert is_on_border(one.points[0], box(drawn, one.source))
        assert is_on_border(one.points[-1], box(drawn, one.target))
        for here, there in pairwise(one.points):
            assert not any(cuts(here, there, other) for other in drawn.boxes), one


def test_a_node_that_may_follow_itself_has_a_loop() -> None:
    drawn = of(1)
    loop = line(drawn, "coordinator", "coordinator")
    assert loop.points[0][1] == loop.points[-1][1] == box(drawn, "coordinator").y
    assert loop.conditional
    assert not loop.both


def test_an_edge_to_a_node_that_is_not_there_is_left_out() -> None:
    drawn = layout(Picture((Node("coordinator", "coordinator"),), (("coordinator", "nowhere", True),)))
    assert drawn.lines == ()


def test_an_empty_graph_is_an_empty_picture() -> None:
    assert layout(Picture((), ())).boxes == ()


def test_a_line_is_written_as_a_path() -> None:
    assert Line("a", "b", ((1, 2), (3, 2)), conditional=False).path == "M1 2 L3 2"
