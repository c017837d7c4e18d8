"""A house that holds versions to short rules."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cadence.config import Settings
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.runtime.house import House

Strict = Callable[..., House]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Long deadlines, and no scheduled check that comes by itself while a test does not want one."""
    return Settings(
        instance=tmp_path / "instance", call_seconds=20.0, probation_crashes=3, health_interval_seconds=10**6
    )


@pytest.fixture
def strict(settings: Settings, zygote: Zygote) -> Iterator[Strict]:
    """Makes a house that serves, by settings of its own."""
    opened: list[Parts] = []

    def make(**changes: Any) -> House:
        parts = Parts(replace(settings, **changes), zygote)
        opened.append(parts)
        parts.start(serve=True)
        return House(parts)

    yield make
    for parts in opened:
        parts.close()
