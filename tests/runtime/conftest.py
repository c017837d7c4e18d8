from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cadence.config import SandboxMode, Settings
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.runtime.house import House


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Deadlines that no healthy plugin meets, however busy the machine is, and no version that is taken back.

    That bad versions are taken back has tests of its own (tests/guardian).
    """
    return Settings(instance=tmp_path / "instance", load_seconds=30.0, call_seconds=20.0, probation_crashes=10**6)


@pytest.fixture(params=[SandboxMode.PREFER, SandboxMode.OFF])
def sandbox(request: pytest.FixtureRequest) -> SandboxMode:
    """Both ways to run plugins, for what must hold on a host that cannot confine them too."""
    return SandboxMode(request.param)


@pytest.fixture
def house(settings: Settings, zygote: Zygote) -> Iterator[House]:
    parts = Parts(settings, zygote)
    yield House(parts)
    parts.close()


@pytest.fixture
def impatient(settings: Settings, zygote: Zygote) -> Iterator[House]:
    """One whose deadlines are short."""
    parts = Parts(replace(settings, load_seconds=2.0, call_seconds=2.0), zygote)
    yield House(parts)
    parts.close()


@pytest.fixture
def lone(settings: Settings) -> Iterator[House]:
    """One with a zygote of its own, for tests that end it."""
    parts = Parts(settings)
    yield House(parts)
    parts.close()


@pytest.fixture
def either_way(settings: Settings, sandbox: SandboxMode) -> Iterator[House]:
    """One with a zygote of its own, confining plugins or not, where a plugin may start a process."""
    parts = Parts(replace(settings, sandbox=sandbox, plugin_processes=1))
    yield House(parts)
    parts.close()
