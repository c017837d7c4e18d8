"""Messages at the edge of what the channel takes cost the one call they belong to, never the worker."""

import pytest

from cadence.errors import CadenceError
from tests.runtime.house import House, with_ping

TOOLS = with_ping(
    """
    @tool
    def measure(text: str) -> int:
        "How long it is."
        return len(text)

    @tool
    def nest(depth: int):
        "A list in a list in a list."
        value = []
        for _ in range(depth):
            value = [value]
        return value
    """,
    "measure",
    "nest",
)


def test_arguments_beyond_the_limit_are_refused_in_words_and_harm_no_one(house: House) -> None:
    limit = house.parts.settings.max_message_bytes
    house.install(TOOLS)
    before = house.pid()
    with pytest.raises(CadenceError, match=str(limit)) as caught:
        house.call("measure", text="x" * limit)
    assert "ended" not in str(caught.value)
    assert house.call("ping") == before


@pytest.mark.parametrize("depth", [50, 500, 940, 960, 980, 990, 2000, 100_000])
def test_a_deeply_nested_result_arrives_or_fails_in_words(house: House, depth: int) -> None:
    house.install(TOOLS)
    before = house.pid()
    try:
        answer = house.call("nest", depth=depth)
    except CadenceError as failure:
        assert "ended" not in str(failure)  # noqa: PT017  (either outcome will do)
    else:
        assert isinstance(answer, list | str)
    assert house.call("ping") == before


@pytest.mark.parametrize("depth", [50, 500, 900, 940, 960, 980, 2000])
def test_deeply_nested_arguments_are_taken_or_refused_in_words(house: House, depth: int) -> None:
    house.install(TOOLS)
    before = house.pid()
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    with pytest.raises(CadenceError) as caught:
        house.call("measure", text=value)
    assert "ended" not in str(caught.value)
    assert house.call("ping") == before
