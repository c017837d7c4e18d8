"""What uv draws on a terminal, told apart: bytes as it sends them (0.13.9), and as someone hostile would."""

import itertools

import pytest

from cadence.dependencies.terminal import Lines, Screen, presentable

CLEAR = "\r\x1b[2K"
PREPARING = "\x1b[37m⠙\x1b[0m \x1b[2mPreparing packages...\x1b[0m ({})" + " " * 51
BAR = (
    "\x1b[2mnumpy               \x1b[0m \x1b[32m---\x1b[30m\x1b[2m" + "-" * 27 + "\x1b[0m\x1b[0m 16.00 KiB/16.13 MiB   "
)
INSTALLING = "█████░░░░░░░░░░░░░░░ [{}] \x1b[2mInstalling wheels...   \x1b[0m"
INSTALL = (
    "Using CPython\n"
    + "\x1b[37m⠋\x1b[0m \x1b[2mResolving dependencies...   \x1b[0m"
    + f"{CLEAR}\x1b[37m⠙\x1b[0m \x1b[2mattrs==26.1.0   \x1b[0m{CLEAR}"
    + "Resolved 3 packages in 54ms\n"
    + PREPARING.format("0/0")
    + CLEAR.join(["", PREPARING.format("0/3"), PREPARING.format("0/3") + BAR])
    + f"\x1b[1A{CLEAR}\x1b[1B{CLEAR}\x1b[1A{PREPARING.format('2/3')}{CLEAR}"
    + f"   \x1b[36m\x1b[1mBuilding\x1b[0m\x1b[39m foo\x1b[2m==1.0\x1b[0m   {PREPARING.format('2/3')}{CLEAR}"
    + f"\x1b[37m⠇\x1b[0m \x1b[2m\x1b[0m (3/3)   {CLEAR}"
    + "Prepared 3 packages in 13ms\n"
    + CLEAR.join([INSTALLING.format("0/0"), INSTALLING.format("0/3"), INSTALLING.format("3/3"), ""])
    + "Installed 3 packages in 11ms\n + foo==1.0\n"
)
LINES = [
    "Using CPython",
    "Resolved 3 packages in 54ms",
    "Downloading numpy (16.13 MiB)",
    "Building foo==1.0",
    "Prepared 3 packages in 13ms",
    "Installed 3 packages in 11ms",
    " + foo==1.0",
]


class Reader:
    """A screen and what it told."""

    def __init__(self, packages: int = 0) -> None:
        self.lines: list[str] = []
        self.counts: list[tuple[int, int]] = []
        self.screen = Screen(self.lines.append, lambda *count: self.counts.append(count), packages)

    def read(self, text: str, size: int = 65536) -> None:
        data = text.encode(errors="surrogateescape")
        for start in range(0, len(data), size):
            self.screen.feed(data[start : start + size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65536])
def test_lines_that_stay_and_counts_are_told_however_the_bytes_are_cut(size: int) -> None:
    reader = Reader()
    reader.read(INSTALL, size)
    reader.screen.feed(b"")
    assert reader.lines == LINES
    assert reader.counts == [(0, 3), (2, 3), (3, 3)]
    assert "Downloading" not in reader.screen.text  # what uv does not say is no part of its words


def test_packages_that_need_not_be_fetched_are_counted_as_ready() -> None:
    reader = Reader(packages=5)
    reader.read(INSTALL)
    assert reader.counts == [(2, 5), (4, 5), (5, 5)]


def test_where_nothing_has_to_be_fetched_all_are_ready_when_they_are_installed() -> None:
    reader = Reader(packages=3)
    reader.read(CLEAR.join([INSTALLING.format("0/0"), INSTALLING.format("0/3"), INSTALLING.format("1/3"), ""]))
    assert reader.counts == [(3, 3)]


def test_a_count_never_falls_and_is_told_once() -> None:
    reader = Reader()
    reader.read(CLEAR.join(PREPARING.format(count) for count in ("1/9", "0/9", "1/9", "1/2", "3/9", "10/9", "2/9", "")))
    assert reader.counts == [(1, 9), (3, 9)]


def test_redrawing_is_no_step_forward_and_takes_no_room() -> None:
    reader = Reader()
    reader.read(PREPARING.format("1/9"))
    steps, size = reader.screen.steps, reader.screen.size_bytes
    reader.read(f"{CLEAR}{PREPARING.format('1/9')}" * 1000)
    assert reader.screen.steps == steps
    assert reader.screen.size_bytes <= size + 16
    reader.read(f"{CLEAR}{PREPARING.format('2/9')}")
    assert reader.screen.steps == steps + 1


def test_what_is_said_over_a_frame_loses_the_frame_only() -> None:
    reader = Reader()
    reader.read(f"{PREPARING.format('1/9')}warning: beta is yanked\n{PREPARING.format('1/9')}\n")
    assert reader.lines == ["warning: beta is yanked"]


RESOLVING = "\x1b[37m⠋\x1b[0m \x1b[2m{}\x1b[0m"
FRAMES = {
    "resolving": CLEAR + RESOLVING.format(f"{'Resolving dependencies...':<78}"),
    "a package": CLEAR + RESOLVING.format(f"{'attrs==26.1.0':<78}"),
    "a package whose name fills the row": CLEAR + RESOLVING.format("hint-" * 16),
    "no words": CLEAR + RESOLVING.format(" " * 78),
    "preparing": CLEAR + PREPARING.format("2/3"),
    "preparing and downloading": f"\x1b[1A{CLEAR}\x1b[1B{CLEAR}\x1b[1A{PREPARING.format('2/3')}{BAR}",
    "building": f"{CLEAR}   \x1b[36m\x1b[1mBuilding\x1b[0m\x1b[39m foo\x1b[2m==1.0\x1b[0m   {PREPARING.format('2/3')}",
    "installing": CLEAR + INSTALLING.format("1/3"),
    "without colours": f"{CLEAR}⠙ {'Resolving dependencies...':<78}",
    "taken away": CLEAR,
    "drawn and taken away": f"{CLEAR}{RESOLVING.format('attrs==26.1.0   ')}{CLEAR}",
}
#: As uv writes them: each piece by a call of its own, between which a frame can fall.
SAID = {
    "error": ("error", ":", " ", "No solution found when resolving dependencies", "\n"),
    "cause": ("  ", "cause", ":", " ", "Because alpha was not found in the cache (1/2) and you require alpha", "\n"),
    "hint": ("hint", ":", " ", "Packages were unavailable because the network was disabled.", "\n"),
    "warning": ("warning", ":", " ", "The package `beta==1.0` does not have an extra named `more`", "\n"),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("said", SAID)
def test_a_line_that_is_said_is_kept_wherever_frames_fall(said: str, frame: str) -> None:
    pieces = SAID[said]
    gaps = range(len(pieces))
    for places in itertools.chain.from_iterable(itertools.combinations(gaps, count) for count in range(4)):
        for size in (1, 65536):
            reader = Reader()
            reader.read(
                "".join(FRAMES[frame] * (gap in places) + piece for gap, piece in zip(gaps, pieces, strict=True)), size
            )
            told = [line.strip() for line in reader.lines if not line.startswith(("Building ", "Downloading "))]
            assert told == ["".join(pieces).strip()]
            assert reader.screen.text.strip() == "".join(pieces).strip()
            reader.read("Prepared 3 packages in 13ms\n", size)  # the next line starts anew
            assert reader.lines[-1] == "Prepared 3 packages in 13ms"


def test_a_line_is_kept_behind_which_the_first_frame_falls() -> None:
    reader = Reader()
    reader.read(f"warning: beta is yanked{RESOLVING.format('Resolving dependencies...   ')}\n")
    assert reader.lines == ["warning: beta is yanked"]


def test_what_is_drawn_between_two_frames_is_no_line() -> None:
    reader = Reader()
    reader.read("".join(frame * 2 for frame in FRAMES.values()) + CLEAR + "Audited 3 packages\n")
    assert [line for line in reader.lines if line != "Building foo==1.0"] == [
        "Downloading numpy (16.13 MiB)",
        "Audited 3 packages",
    ]


@pytest.mark.parametrize("piece", ["error", "error: ", "hint: x", "cause:" + "x" * 30_000])
def test_what_is_said_and_drawn_over_without_end_takes_bounded_room(piece: str) -> None:
    reader = Reader()
    for _ in range(10):
        reader.read(f"{piece}{CLEAR}" * 10)
    assert len(reader.screen._drawn_over) <= 16_384  # nothing else tells
    reader.read("\n")
    assert len(reader.screen.text) <= 16_384


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\x1b]8;;address\x1b\\link\x1b]8;;\x1b\\",
        "\x1b]0;never ended",
        "\x1bP1$r\x1b\\",
        "\x1b[1A\x1b[2J\x1b[?1049h",
        "\x1bc",
        "\x1b",
        "\x1b[",
        "\x9b31m",
        "\x00\x07\x08\x0b\x0c\r\x7f",
        "\u202eevil\u2066",
        "\udcff\udc9b",
        "\u2028\u2029\x85",
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_nothing_that_would_act_on_a_terminal_reaches_a_line(hostile: str, kind: str) -> None:
    lines: list[str] = []
    reader = Lines(lines.append) if kind == "pipe" else Screen(lines.append, lambda *_: None)
    reader.feed(f"error: {hostile} of beta\n".encode(errors="surrogateescape"))
    reader.feed(f"   Building {hostile}{CLEAR}".encode(errors="surrogateescape"))
    reader.feed(b"")
    assert lines
    assert all(line.isprintable() for line in [*lines, *reader.text.split("\n")])


def test_a_line_without_an_end_is_kept_at_the_end() -> None:
    reader = Reader()
    reader.read("one\ntwo")
    assert reader.lines == ["one"]
    reader.screen.feed(b"")
    assert reader.lines == ["one", "two"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Failed to fetch: `https://u:p@index.test/simple/six/`", "Failed to fetch: `the package index`"),
        ("interpreter at: /srv/app/.venv/bin/python", "interpreter at: python"),
        ("ok \x1b[31mred\x07", "ok  [31mred"),
        ("pydantic<2 and/or alpha", "pydantic<2 and/or alpha"),
    ],
)
def test_a_line_is_made_presentable(line: str, shown: str) -> None:
    assert presentable(line) == shown


@pytest.mark.parametrize(
    "hostile",
    [
        "x" * 1_000_000,
        "/" * 1_000_000,
        "a://" * 250_000,
        "\x1b[" * 500_000,
        "⠙" * 1_000_000,
        "⠙ " * 500_000,
        "⠙ " + "x " * 500_000,
        "█" * 1_000_000,
        "\x1b[1m" * 250_000,
        "a -" * 333_333,
        "   Building " * 83_333,
        " " * 1_000_000,
        f"error{CLEAR}" * 100_000,
        f"⠙ error:{CLEAR}" * 70_000,
    ],
    ids=lambda hostile: repr(hostile[:16]),
)
def test_a_line_of_a_million_characters_is_cut_and_not_pondered(hostile: str) -> None:
    """Where it took quadratic time it would hold the interpreter for hours, and the server with it."""
    told: list[str] = []
    Screen(told.append, lambda *_: None).feed(hostile.encode() + b"\n")
    assert all(len(line) < 20_000 for line in told)
