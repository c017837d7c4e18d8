import pytest

from benchmarks.sampling import FEWEST_FOR_P99, Effort, Samples, block_of, interleave, percentile


def test_the_median_is_the_middle_value_or_the_mean_of_the_middle_two() -> None:
    assert Samples.of([5, 1, 100]).median == 5
    assert Samples.of([4, 1, 100, 2]).median == 3


def test_a_percentile_is_the_smallest_value_that_so_many_do_not_pass() -> None:
    hundred = list(range(1, 101))
    assert percentile(hundred, 99) == 99
    assert percentile(hundred[::-1], 50) == 50
    assert percentile([7], 99) == 7
    assert percentile([1, 2], 100) == 2


def test_a_tail_is_only_told_where_there_are_enough_values() -> None:
    assert Samples.of([1.0] * (FEWEST_FOR_P99 - 1)).p99 is None
    assert Samples.of([1.0] * FEWEST_FOR_P99).p99 == 1


def test_no_values_are_no_samples() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Samples.of([])


def test_samplers_take_turns_and_their_warm_up_does_not_count() -> None:
    order: list[str] = []

    def sampler(name: str, value: float) -> list[float]:
        order.append(name)
        return [value * len(order)]

    taken = interleave({"a": lambda: sampler("a", 1), "b": lambda: sampler("b", 10)}, seconds=0, at_least=2, warm_up=1)

    assert "".join(order) == "ababab"
    assert taken["a"].values == (3, 5)
    assert taken["b"].values == (40, 60)


def test_sampling_ends_after_the_most_rounds_however_much_time_is_left() -> None:
    taken = interleave({"a": lambda: [1.0]}, seconds=3600, at_least=1, at_most=4, warm_up=0)
    assert len(taken["a"].values) == 4


def test_a_block_gives_one_time_for_each_call() -> None:
    calls: list[None] = []
    times = list(block_of(7, lambda: calls.append(None))())
    assert len(times) == len(calls) == 7
    assert all(time >= 0 for time in times)


def test_quick_is_less_of_everything() -> None:
    assert Effort(quick=True).pick(100, 1) == 1
    assert Effort().pick(100, 1) == 100
    assert Effort(quick=True).seconds(10) < Effort().seconds(10) == 10
