"""The model as LangChain sees it."""

from pathlib import Path

from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.tools import tool

import cadence.chat.offline
from cadence.chat.offline import OfflineModel
from tests.chat.offline.playing import made, offered
from tests.chat.offline.plugins import MATH
from tests.structure.imports import imports


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_it_says_what_it_is() -> None:
    assert OfflineModel()._llm_type == "offline"
    assert "offline model" in OfflineModel().invoke("hello").text


def test_tools_are_taken_in_every_form() -> None:
    schema = MATH.specs[0]["parameters"]
    for offer in (add, MATH.specs[0], {"type": "function", "function": offered("add", "Add.", schema)}):
        for parallel in (True, False):
            model = OfflineModel().bind_tools([offer], parallel_tool_calls=parallel)
            assert made(model.invoke("add 2 and 3")) == [("add", {"a": 2, "b": 3})]


def test_what_is_no_tool_is_left_out() -> None:
    model = OfflineModel().bind_tools(
        [{}, {"name": 7}, {"function": None}, offered("add", "", MATH.specs[0]["parameters"])]
    )
    assert made(model.invoke("add 2 and 3")) == [("add", {"a": 2, "b": 3})]


def test_words_come_piece_by_piece() -> None:
    pieces = [piece for piece in OfflineModel().stream("hello") if piece.text]
    assert len(pieces) > 20
    assert "".join(str(piece.text) for piece in pieces) == OfflineModel().invoke("hello").text


def test_streamed_calls_are_calls() -> None:
    model = OfflineModel().bind_tools(MATH.specs)
    whole = AIMessageChunk(content="")
    for piece in model.stream("2 + 3; 4 * 5"):
        assert isinstance(piece, AIMessageChunk)
        whole += piece
    assert made(whole) == [("add", {"a": 2, "b": 3}), ("multiply", {"a": 4, "b": 5})]


def test_ids_of_calls_are_never_used_twice() -> None:
    model = OfflineModel().bind_tools(MATH.specs)
    ids = {call["id"] for _ in range(3) for call in model.invoke("2 + 3; 4 * 5").tool_calls}
    assert len(ids) == 6


def test_a_call_without_a_result_is_not_made_again() -> None:
    model = OfflineModel().bind_tools(MATH.specs)
    call = {"name": "add", "args": {"a": 2, "b": 3}, "id": "1", "type": "tool_call"}
    answer = model.invoke([HumanMessage("add 2 and 3"), AIMessage("", tool_calls=[call])])
    assert answer.tool_calls == []
    assert "add failed" in answer.text


def test_only_the_module_of_the_model_needs_langchain() -> None:
    folder = Path(cadence.chat.offline.__file__).parent
    needing = {path.name for path in folder.glob("*.py") if any("langchain" in name for name in imports(path))}
    assert needing == {"model.py"}
