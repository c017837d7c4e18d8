"""In a container with the usual filter of system calls there are no namespaces: the rest holds, and all is said."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
NAMESPACES = {"process namespace", "network namespace", "mount namespace"}


@pytest.fixture
def port() -> Iterator[int]:
    """Of somebody who listens on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def resident(instance: Path, sandbox: str, port: int, *before: str) -> Any:
    command = [*before, sys.executable, "-m", "tests.lockdown.resident", str(instance), sandbox, str(port)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FOLDER.parent.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def contained(instance: Path, sandbox: str, port: int) -> Any:
    return resident(instance, sandbox, port, sys.executable, str(FOLDER / "container.py"))


def test_what_a_container_lacks_is_said_and_the_rest_confines(tmp_path: Path, port: int) -> None:
    found = contained(tmp_path, "prefer", port)
    for name, (active, reason) in found["layers"].items():
        if name in NAMESPACES:
            assert not active
            assert "this host does not allow it" in reason
    assert {name for name, (active, _) in found["layers"].items() if active} >= {"landlock", "seccomp"}
    outcomes = found["outcomes"]
    assert outcomes["ping"].isdigit()
    assert outcomes["note"] == "kept"
    for denied in ("shadow", "store", "telephone", "fork"):
        assert outcomes[denied].startswith("failed: PermissionError"), outcomes


def test_without_a_sandbox_the_same_plugin_does_it_all(tmp_path: Path, port: int) -> None:
    outcomes = contained(tmp_path, "off", port)["outcomes"]
    assert not [tool for tool, words in outcomes.items() if words.startswith("failed") and tool != "shadow"], outcomes
    assert os.geteuid() != 0 or "root" in outcomes["shadow"]


def test_nothing_runs_there_where_the_whole_sandbox_is_required(tmp_path: Path, port: int) -> None:
    words = contained(tmp_path, "require", port)["outcomes"]["install"]
    assert "CADENCE_SANDBOX is require" in words
    assert "namespace" in words
