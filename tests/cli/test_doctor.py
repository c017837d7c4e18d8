"""``flask doctor``: everything the server needs, and what it makes of what is missing."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from cadence import create_app
from cadence.config import SandboxMode, Settings
from cadence.runtime.zygote import Zygote
from cadence.sandbox import remedy
from cadence_sdk._runtime.report import Layer
from tests.conftest import parts_of
from tests.sandbox.hosts import LANDLOCK, NO_CGROUP, NO_LANDLOCK, SECCOMP, WEAK_SECCOMP, host_with

Examine = Callable[..., Result]


@pytest.fixture
def examine(settings: Settings, zygote: Zygote) -> Examine:
    """Run ``flask doctor`` on a host with some layers, by default all there are."""

    def examine(*options: str, layers: tuple[Layer, ...] = (LANDLOCK, SECCOMP), **changed: object) -> Result:
        there = replace(settings, **changed)  # type: ignore[arg-type]  # as the test says
        app = create_app(there, host_with(zygote, *layers))
        try:
            result = app.test_cli_runner().invoke(args=["doctor", *options])
        finally:
            parts_of(app).close()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return examine


def line(result: Result, name: str) -> str:
    (found,) = (one for one in result.output.splitlines() if name in one.split("  ")[:4] or f"  {name}  " in one)
    return found


def test_a_server_with_everything_is_as_it_should_be(examine: Examine, settings: Settings) -> None:
    result = examine()
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "Everything is as it should be."
    for name in ("versions", "host", "instance", "stores", "disk", "uv", "index", "servers", "sandbox"):
        assert line(result, name).startswith("ok"), result.output
    assert "All 2 layers are active." in line(result, "sandbox")
    assert str(settings.instance) in line(result, "instance")
    assert line(result, "layer: landlock").endswith("Active. files")


def test_looking_leaves_nothing_behind(examine: Examine, settings: Settings) -> None:
    examine()
    left = [path.name for path in settings.instance.rglob("*") if "doctor" in path.name]
    assert left == []
    assert not list(settings.instance.glob("run/*"))
    assert not list(settings.instance.glob("owners/*"))


def test_a_missing_layer_is_a_warning_with_its_reason_and_what_to_do(examine: Examine) -> None:
    result = examine(layers=(NO_LANDLOCK, SECCOMP))
    assert result.exit_code == 0
    assert line(result, "layer: landlock").startswith("WARNING")
    assert "Missing: kernel 5.10 has no Landlock." in result.output
    assert f"What to do: {remedy(NO_LANDLOCK)}" in result.output
    assert result.output.splitlines()[-1] == "The server can run, but not everything is as it should be."


def test_a_missing_layer_fails_where_all_are_required(examine: Examine) -> None:
    result = examine(layers=(LANDLOCK, SECCOMP, NO_CGROUP), sandbox=SandboxMode.REQUIRE)
    assert result.exit_code == 1
    assert line(result, "layer: cgroup").startswith("FAILED")
    assert line(result, "layer: landlock").startswith("ok")
    assert "No plugin runs." in line(result, "sandbox")
    assert result.output.splitlines()[-1] == "Something has to be mended."


def test_a_layer_that_is_weaker_than_it_could_be_is_said(examine: Examine) -> None:
    result = examine(layers=(LANDLOCK, WEAK_SECCOMP), sandbox=SandboxMode.REQUIRE)
    assert result.exit_code == 0
    assert "weaker than it could be: an old kernel" in line(result, "layer: seccomp")


def test_a_sandbox_that_is_off_is_a_warning(examine: Examine) -> None:
    result = examine(sandbox=SandboxMode.OFF)
    assert result.exit_code == 0
    assert line(result, "sandbox").startswith("WARNING")
    assert "Plugins can do whatever this server can." in result.output


def test_programs_get_the_same_as_json(examine: Examine) -> None:
    result = examine("--json", layers=(NO_LANDLOCK, SECCOMP), sandbox=SandboxMode.REQUIRE)
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert found["healthy"] is False
    assert (found["sandbox"]["mode"], found["sandbox"]["complete"]) == ("require", False)
    assert [layer["active"] for layer in found["sandbox"]["layers"]] == [False, True]
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert (states["layer: landlock"], states["layer: seccomp"], states["index"]) == ("failed", "ok", "ok")
    assert found["host"]["python"].startswith("CPython 3.")


def test_a_damaged_index_fails_and_the_rest_is_still_looked_at(examine: Examine, settings: Settings) -> None:
    examine()
    index = settings.instance / "index.db"
    with closing(sqlite3.connect(index)) as database:
        page_bytes, root = database.execute(
            "SELECT page_size, rootpage FROM pragma_page_size, sqlite_master WHERE name = 'versions'"
        ).fetchone()
    with index.open("r+b") as file:
        file.seek(page_bytes * (root - 1))
        file.write(b"\xff" * page_bytes)
    result = examine()
    assert result.exit_code == 1
    assert line(result, "index").startswith("FAILED")
    assert "The index is damaged" in result.output
    assert line(result, "uv").startswith("ok")


def test_stores_without_hard_links_are_a_warning(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    examine()  # makes the instance, which takes a link too
    monkeypatch.setattr("cadence.doctor.os.link", refuse)
    result = examine()
    assert result.exit_code == 0
    assert line(result, "stores").startswith("WARNING")
    assert "Invalid cross-device link" in result.output


def test_too_little_room_is_a_warning(examine: Examine) -> None:
    result = examine(max_unpacked_bytes=1 << 60)
    assert result.exit_code == 0
    assert line(result, "disk").startswith("WARNING")


def test_without_uv_the_server_has_to_be_mended(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cadence.doctor.uv.find_uv_bin", lambda: str(tmp_path / "uv"))
    result = examine()
    assert result.exit_code == 1
    assert line(result, "uv").startswith("FAILED")


def test_a_living_server_is_named(settings: Settings, zygote: Zygote, examine: Examine) -> None:
    import os

    app = create_app(settings, zygote)
    try:
        parts_of(app).start(serve=True)
        assert f"1 alive: process {os.getpid()}" in line(examine(), "servers")
    finally:
        parts_of(app).close()


def test_a_runtime_that_does_not_start_is_said_and_the_rest_is_still_looked_at(
    settings: Settings, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("cadence.parts.Parts.start", refuse)
    result = examine()
    assert result.exit_code == 1
    assert "No plugin can be started." in line(result, "runtime")
    assert line(result, "disk").startswith("ok")
