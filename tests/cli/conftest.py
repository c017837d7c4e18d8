"""Fixtures: the commands of an application, each run as a command line would, on one instance."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cadence import create_app
from cadence.config import Settings
from cadence.runtime.zygote import Zygote
from tests.conftest import parts_of

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, zygote: Zygote) -> Run:
    """Run ``flask plugins …`` in an application of its own, as each command line is; a traceback fails the test."""

    def run(*arguments: str | Path, input: str | None = None) -> Result:
        app = create_app(settings, zygote)
        try:
            result = app.test_cli_runner().invoke(args=["plugins", *map(str, arguments)], input=input)
        finally:
            parts_of(app).close()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
