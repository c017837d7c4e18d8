"""An install in one server, followed and cancelled from another one and from the command line."""

from pathlib import Path

from tests.building import archive_bytes, plugin_files
from tests.dependencies.shelf import Shelf
from tests.installs.uploads import GATED
from tests.server.process import Server, await_true, flask, serving


def begin(server: Server, name: str, **files: object) -> str:
    """Start an install that waits in its trial, and give its address."""
    archive = archive_bytes(plugin_files(name, tools=GATED, **files))  # type: ignore[arg-type]  # passed on
    answer = server.post(
        "/plugins/upload", files={"file": (f"{name}-1.0.0.zip", archive)}, headers={"Prefer": "respond-async"}
    )
    await_true((server.instance / "data" / name / "waiting").exists, "the trial")
    return f"/installs/{answer.json()['install_id']}"


def state(server: Server, address: str) -> str:
    return str(server.get(address).json()["install"]["state"])


def stage(server: Server, address: str, name: str) -> str:
    (found,) = [one for one in server.get(address).json()["install"]["stages"] if one["stage"] == name]
    return str(found["state"])


def test_an_install_is_followed_and_cancelled_from_another_server_and_by_command(tmp_path: Path, shelf: Shelf) -> None:
    shelf.wheel("alpha")
    instance = tmp_path / "instance"
    with serving(instance) as one, serving(instance) as other:
        address = begin(one, "followed", dependencies=("alpha",))
        await_true(lambda: other.get(f"{address}/log").json()["lines"], "the log in the other server")
        await_true(lambda: stage(other, address, "trial") == "running", "the stages in the other server")
        assert stage(other, address, "dependencies") == "done"
        cancelled = other.delete(address)
        assert (cancelled.status_code, cancelled.json()["install"]["state"]) == (200, "cancelled")
        assert state(one, address) == "cancelled"
        address = begin(one, "commanded")
        done = flask(instance, "plugins", "cancel", address.rpartition("/")[2])
        assert done.returncode == 0, done.stderr
        assert "was cancelled" in done.stdout
        assert state(one, address) == state(other, address) == "cancelled"
        assert one.get("/plugins/uploaded").json()["plugins"] == []
        await_true(lambda: not list((instance / "run").glob("*/*/tmp")), "the end of the workers' folders")
