"""Flask's own server, for development: ``flask run``."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.building import example_archive
from tests.server.process import ROOT, await_true, environment, free_port


def test_flask_run_serves_and_ends_clean(tmp_path: Path) -> None:
    import requests

    port = free_port()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            # A shell's background job, as a test run may be one, has its children ignore SIGINT.
            ["env", "--default-signal=INT", sys.executable, "-m", "flask", "--app", "app", "run", "--port", str(port)],
            cwd=ROOT,
            env=environment(tmp_path / "instance"),
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}/api/v1"

    def is_up() -> bool:
        try:
            return requests.get(f"{url}/health", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        await_true(is_up)
        files = {"file": ("math_plugin-1.0.0.zip", example_archive("math_plugin-1.0.0"))}
        assert requests.post(f"{url}/plugins/upload", files=files, timeout=30).status_code == 201
        assert (
            requests.post(f"{url}/plugins/math_plugin/tools/add", json={"a": 2, "b": 3}, timeout=30).json()["result"]
            == 5
        )
        process.send_signal(signal.SIGINT)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert list((tmp_path / "instance" / "run").iterdir()) == []
