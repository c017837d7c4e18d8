"""Failures of plugin code in words: what was raised, and where in the plugin."""

from pathlib import Path
from types import TracebackType

#: What is kept of a text that plugin code made, in characters.
MAX_TEXT_CHARS = 4000


def describe(error: BaseException, folder: Path | None = None) -> str:
    """An exception in words, ``ValueError: no such unit (tools.py:12)``, also one whose text cannot be had.

    :param folder: that of the plugin; the innermost place in it that the exception came through is named.
    """
    name = type(error).__name__
    text = text_of(error)
    place = culprit(error, folder) if folder is not None else None
    return (f"{name}: {text}" if text else name) + (f" ({place})" if place else "")


def text_of(value: object) -> str:
    """``str(value)``, also where that raises; cut where it is long, and always valid Unicode."""
    try:
        text = str(value)
        if len(text) > MAX_TEXT_CHARS:
            text = f"{text[:MAX_TEXT_CHARS]}… ({len(text)} characters)"
        return text.encode("utf-8", "backslashreplace").decode()
    except BaseException:  # noqa: BLE001  (plugin code runs in __str__, and may raise even SystemExit)
        return f"(the text of this {type(value).__name__} cannot be read)"


def culprit(error: BaseException, folder: Path) -> str | None:
    """The innermost place in the folder that the exception came through, as ``agent.py:12``.

    For a syntax error in a file of the folder it is the place of the error itself. ``None`` when the exception came
    through no file of the folder.
    """
    if isinstance(error, SyntaxError) and (place := _place(error.filename, error.lineno, folder)):
        return place
    places = (_place(filename, line, folder) for filename, line in reversed(_frames(error.__traceback__)))
    return next((place for place in places if place), None)


def _frames(traceback: TracebackType | None) -> list[tuple[str, int]]:
    frames = []
    while traceback is not None:
        frames.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return frames


def _place(filename: str | None, line: int | None, folder: Path) -> str | None:
    if filename is None or not Path(filename).is_relative_to(folder):
        return None
    return f"{Path(filename).relative_to(folder).as_posix()}:{line}"
