"""How long a worker that ended waits before it is started again."""

#: Seconds before the first, second, … restart in a row; the last one repeats.
DELAYS_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
#: A worker that ran for so long starts the row anew, in seconds.
STEADY_SECONDS = 60.0


def next_failures(failures: int, ran_seconds: float) -> int:
    """The number of failures in a row, after one more that came ``ran_seconds`` after the start."""
    return 1 if ran_seconds >= STEADY_SECONDS else failures + 1


def delay_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row (at least one)."""
    return DELAYS_SECONDS[min(failures, len(DELAYS_SECONDS)) - 1]
