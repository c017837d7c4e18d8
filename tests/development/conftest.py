"""Fixtures: a plugin in its author's hands, developed beside an instance of its own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cadence.config import Settings
from cadence.development import Development, developing
from cadence.model import Granted
from cadence.runtime.zygote import Zygote
from tests.building import plugin_files, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the plugin is written in. Its name tells no version."""
    return write_folder(tmp_path / "work" / "demo_plugin", plugin_files())


@pytest.fixture
def grants() -> dict[str, Granted]:
    """What the real instance permits, by the name of a plugin."""
    return {}


Open = Callable[[], AbstractContextManager[Development]]


@pytest.fixture
def opened(settings: Settings, zygote: Zygote, folder: Path, grants: dict[str, Granted]) -> Open:
    return lambda: developing(settings, folder, lambda name: grants.get(name, Granted()), zygote)


@pytest.fixture
def development(opened: Open) -> Iterator[Development]:
    with opened() as development:
        yield development
