"""A first plugin: shown on an empty server file by file, and there to be downloaded as an archive."""

import io
import zipfile
from functools import cache

from flask import current_app
from msgspec import Struct

SAMPLE_NAMES = ("tools.py", "agent.py", "plugin.py", "__init__.py")
SAMPLE_ARCHIVE = "greeter-1.0.0.zip"
SAMPLE_MOMENT = (2026, 1, 1, 0, 0, 0)
"""The time in the archive's entries: the same files give the same bytes."""


class SampleFile(Struct, frozen=True):
    """One file of the sample plugin."""

    name: str
    source: str


@cache
def _source(name: str) -> str:
    environment = current_app.jinja_env
    assert environment.loader is not None
    return environment.loader.get_source(environment, f"plugins/sample/{name}")[0]


def sample_files() -> tuple[SampleFile, ...]:
    """Return the files of the sample, in the order in which a reader understands them best."""
    return tuple(SampleFile(name, _source(name)) for name in SAMPLE_NAMES)


def sample_archive() -> bytes:
    """Return the sample as a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sample_files():
            archive.writestr(zipfile.ZipInfo(file.name, SAMPLE_MOMENT), file.source, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
