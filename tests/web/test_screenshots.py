"""The pictures in the documentation: those that are taken are shown, and those that are shown are there."""

import re
import struct
from pathlib import Path

import pytest

from scripts.screenshots import MAX_BYTES, PICTURES, ROOT, SCHEMES, screenshots

PAGES = ROOT / "docs" / "pages.md"
WANTED = {f"{one.name}-{scheme}.png": (one.width, one.height) for one in screenshots("i1", "t1") for scheme in SCHEMES}


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height (PNG specification, section 11.2.2)."""
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_every_picture_that_is_taken_is_shown_and_no_other() -> None:
    assert set(re.findall(r'"screenshots/([^"]+)"', PAGES.read_text())) == WANTED.keys()


def test_no_picture_is_kept_that_is_not_taken() -> None:
    assert {path.name for path in PICTURES.iterdir()} == WANTED.keys()


@pytest.mark.parametrize("name", sorted(WANTED))
def test_every_picture_is_small_and_of_the_size_it_was_taken_at(name: str) -> None:
    picture = PICTURES / name
    assert size_of(picture) == WANTED[name]
    assert picture.stat().st_size <= MAX_BYTES
