"""The commands and scripts of the specification, as they stand there, against a real server."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.building import archive_bytes, plugin_files, write_archive
from tests.server.process import PATIENCE_SECONDS, Server

SIMPLE = """\
import requests

# Upload plugin via API
with open('my_plugin-1.0.0.zip', 'rb') as f:
    files = {'file': f}
    data = {'force_overwrite': 'false'}
    response = requests.post(
        'http://localhost:8000/api/v1/plugins/upload',
        files=files,
        data=data
    )

print(response.json())
"""

BATCH = '''\
import requests
import os

def upload_plugins_from_directory(directory):
    """Upload all ZIP files from a directory."""
    for filename in os.listdir(directory):
        if filename.endswith('.zip'):
            filepath = os.path.join(directory, filename)
            with open(filepath, 'rb') as f:
                files = {'file': f}
                data = {'force_overwrite': 'true'}
                response = requests.post(
                    'http://localhost:8000/api/v1/plugins/upload',
                    files=files,
                    data=data
                )
                print(f"{filename}: {response.json()}")

# Upload all plugins from directory
upload_plugins_from_directory('./plugin_packages/')
'''

CURL_UPLOAD = """\
curl -X POST "http://localhost:8000/api/v1/plugins/upload" \\
  -H "Content-Type: multipart/form-data" \\
  -F "file=@math_plugin-1.0.0.zip" \\
  -F "force_overwrite=false"
"""
CURL_LIST = 'curl -X GET "http://localhost:8000/api/v1/plugins/uploaded"'
CURL_DELETE = 'curl -X DELETE "http://localhost:8000/api/v1/plugins/uploaded/math_plugin/1.0.0"'


def archive(folder: Path, name: str, version: str = "1.0.0") -> Path:
    return write_archive(folder, plugin_files(name, version), name, version)


def ran(command: list[str], server: Server, folder: Path) -> str:
    """What a command writes, with the server's port in place of the specification's."""
    patched = [part.replace("localhost:8000", f"localhost:{server.port}") for part in command]
    done = subprocess.run(patched, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    return done.stdout


def test_the_simple_upload_script_runs_as_it_stands(server: Server, tmp_path: Path) -> None:
    archive(tmp_path, "my_plugin")
    said = ran([sys.executable, "-c", SIMPLE], server, tmp_path)
    assert "'success': True" in said
    assert "'message': 'Plugin uploaded and loaded successfully'" in said
    assert server.call("my_plugin", "add", a=2, b=3).json()["result"] == 5


def test_the_batch_script_runs_as_it_stands_any_number_of_times(server: Server, tmp_path: Path) -> None:
    for name in ("first_of_batch", "second_of_batch"):
        archive(tmp_path / "plugin_packages", name)
    (tmp_path / "plugin_packages" / "broken-1.0.0.zip").write_bytes(b"no archive")
    for _ in range(2):
        said = ran([sys.executable, "-c", BATCH], server, tmp_path)
        lines = dict(line.split(": ", 1) for line in said.splitlines())
        assert lines.keys() == {"first_of_batch-1.0.0.zip", "second_of_batch-1.0.0.zip", "broken-1.0.0.zip"}
        assert "'success': True" in lines["first_of_batch-1.0.0.zip"]
        assert "'success': True" in lines["second_of_batch-1.0.0.zip"]
        assert "'Invalid ZIP file format'" in lines["broken-1.0.0.zip"]


def test_the_curl_commands_run_as_they_stand(server: Server, tmp_path: Path) -> None:
    archive(tmp_path, "math_plugin")
    uploaded = ran(["sh", "-c", CURL_UPLOAD], server, tmp_path)
    assert '"message":"Plugin uploaded and loaded successfully"' in uploaded
    assert f'"extracted_to":"{server.instance}/store_plugin/math_plugin-1.0.0"' in uploaded
    listed = ran(["sh", "-c", CURL_LIST], server, tmp_path)
    assert f'"directory":"{server.instance}/store_plugin/math_plugin-1.0.0"' in listed
    again = ran(["sh", "-c", CURL_UPLOAD], server, tmp_path)
    assert '"details":"Use force_overwrite=true to replace"' in again
    assert '"success":true' in ran(["sh", "-c", CURL_DELETE], server, tmp_path)
    assert "math_plugin" not in ran(["sh", "-c", CURL_LIST], server, tmp_path)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_pages_and_api_are_on_the_same_address(server: Server, name: str) -> None:
    import requests

    for path in ("/plugins", "/api/v1/plugins"):
        assert requests.get(f"http://{name}:{server.port}{path}", timeout=PATIENCE_SECONDS).status_code == 200


def test_uploads_side_by_side_all_arrive(server: Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = [f"parallel_{number}" for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(lambda n: server.upload(archive_bytes(plugin_files(n)), f"{n}-1.0.0.zip"), names)
        assert [answer.status_code for answer in answers] == [201] * 6
    assert [server.call(name, "add", a=1, b=1).json()["result"] for name in names] == [2] * 6
