"""A server for the tests of a module, which share it where they do not end it."""

from collections.abc import Iterator

import pytest

from tests.server.process import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server") / "instance") as server:
        yield server
