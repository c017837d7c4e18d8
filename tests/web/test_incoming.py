"""Uploads whose bytes are coming in."""

from pathlib import Path

from cadence.intake.upload import UploadFile
from cadence.web.incoming import MOST_SHOWN, IncomingUploads


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_what_has_come_so_far_is_told_until_it_is_over(tmp_path: Path) -> None:
    clock = Clock()
    uploads = IncomingUploads(clock)
    with UploadFile(tmp_path, 1000) as file:
        uploads.begin(file, "demo-1.0.zip", 400, "key")
        assert uploads.all() == [], "most are over before anybody could look"
        clock.seconds = 1.0
        file.write(b"x" * 100)
        (one,) = uploads.all()
        assert (one.filename, one.received_bytes, one.total_bytes, one.key, one.fraction) == (
            *("demo-1.0.zip", 100, 400, "key"),
            0.25,
        )
        uploads.end(file)
        uploads.end(file)
        assert uploads.all() == []


def test_a_file_that_was_closed_is_not_told_of(tmp_path: Path) -> None:
    uploads = IncomingUploads(Clock(), shown_after=0.0)
    file = UploadFile(tmp_path, 1000)
    uploads.begin(file, "demo-1.0.zip", None)
    assert uploads.all()[0].fraction == 0.0
    file.discard()
    assert uploads.all() == []


def test_names_are_fit_to_be_shown_and_many_uploads_are_not_all_told(tmp_path: Path) -> None:
    uploads = IncomingUploads(Clock(), shown_after=0.0)
    files = [UploadFile(tmp_path, 1000) for _ in range(MOST_SHOWN + 5)]
    for file in files:
        uploads.begin(file, "a\x1b" + "b" * 10_000, 10, "k" * 1000)
    shown = uploads.all()
    assert len(shown) == MOST_SHOWN
    assert all("\x1b" not in one.filename and len(one.filename) < 300 and len(one.key) < 100 for one in shown)
    for file in files:
        file.discard()
