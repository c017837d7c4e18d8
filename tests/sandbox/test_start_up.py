"""The line about the sandbox that follows the start-up line of a real server."""

from pathlib import Path

from tests.processes import is_over
from tests.server.process import await_true, serving


def test_a_server_whose_sandbox_is_off_says_so_once_and_in_its_log(tmp_path: Path) -> None:
    with serving(tmp_path / "instance", CADENCE_SANDBOX="off") as server:
        await_true(lambda: "The sandbox is off." in server.output, "the warning in the log")
        assert server.output.splitlines()[1] == "Sandbox: OFF, plugins can do whatever this server can"


def test_the_line_comes_once_though_the_serving_process_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path / "instance") as server:
        await_true(lambda: "Sandbox: " in server.output, "the line")
        first = server.serving_process()
        first.kill()
        await_true(lambda: is_over(first), "the end of the first")
        server.await_ready()
        await_true(lambda: server.get("/health").json()["sandbox"]["complete"] is not None, "the second's zygote")
        assert server.output.count("Sandbox: ") == 1
