"""Requests that are not as they should be: each is refused in words, and none leaves a file."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cadence import create_app
from cadence.config import Settings
from cadence.parts import Parts
from cadence.runtime.zygote import Zygote
from tests.building import archive_bytes, plugin_files
from tests.conftest import parts_of
from tests.web.api.asking import CheckedClient, refused, traces, upload

UPLOAD = "/api/v1/plugins/upload"
BOUNDARY = "cadence"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", max_upload_bytes=100_000)


@pytest.fixture(autouse=True)
def _nothing_left(parts: Parts) -> Iterator[None]:
    """Whatever was refused, nothing of it may be left."""
    before = traces(parts)
    yield
    assert traces(parts) == before


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def test_an_upload_without_a_file_is_refused(client: FlaskClient) -> None:
    answer = client.post(UPLOAD, data={"force_overwrite": "false"})
    assert "field 'file'" in refused(answer, 400, "No file provided")


def test_an_upload_without_any_body_is_refused(client: FlaskClient) -> None:
    refused(client.post(UPLOAD), 400, "No file provided")


def test_a_file_in_another_field_is_not_taken(client: FlaskClient) -> None:
    answer = client.post(UPLOAD, data={"archive": (io.BytesIO(b"PK"), "demo_plugin-1.0.0.zip")})
    refused(answer, 400, "No file provided")


def test_a_file_without_a_name_is_not_taken(client: FlaskClient) -> None:
    answer = client.post(UPLOAD, data={"file": (io.BytesIO(b"PK"), "")})
    refused(answer, 400, "No file provided")


def test_two_files_at_once_are_refused_whole(client: FlaskClient) -> None:
    files = [(io.BytesIO(archive_bytes(plugin_files(name))), f"{name}-1.0.0.zip") for name in ("one", "other")]
    answer = client.post(UPLOAD, data={"file": files})
    assert "'file'" in refused(answer, 400, "Invalid request")


@pytest.mark.parametrize("field", ["force_overwrite", "activate"])
@pytest.mark.parametrize("value", ["maybe", "2", "tru", "None"])
def test_a_flag_that_is_neither_true_nor_false_is_refused_by_name(client: FlaskClient, field: str, value: str) -> None:
    details = refused(upload(client, fields={field: value}), 400, "Invalid request")
    assert details == f"{field} must be true or false, not {value!r}."


@pytest.mark.parametrize("body", [b"", b"no parts", b"--other\r\n\r\n", b"--" + BOUNDARY.encode()])
def test_a_body_without_readable_parts_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post(UPLOAD, data=body, content_type=f"multipart/form-data; boundary={BOUNDARY}")
    refused(answer, 400, "No file provided")


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/zip", "application/json", "nonsense"])
def test_a_body_of_another_kind_is_refused(client: FlaskClient, kind: str) -> None:
    refused(client.post(UPLOAD, data=archive_bytes(plugin_files()), content_type=kind), 400, "No file provided")


def test_a_file_that_breaks_off_is_refused(client: FlaskClient) -> None:
    body = part("file", archive_bytes(plugin_files()), "demo_plugin-1.0.0.zip")[:-500]
    answer = client.post(UPLOAD, data=body, content_type=f"multipart/form-data; boundary={BOUNDARY}")
    assert answer.status_code == 400
    assert answer.get_json()["success"] is False


def test_an_archive_over_the_cap_is_refused(client: FlaskClient) -> None:
    details = refused(upload(client, b"x" * 100_001), 413, "Upload too large")
    assert "CADENCE_MAX_UPLOAD_BYTES" in details


def test_an_archive_as_large_as_the_cap_is_looked_at(client: FlaskClient) -> None:
    refused(upload(client, b"x" * 100_000), 400, "Invalid ZIP file format")


def test_a_request_that_says_it_is_far_over_the_cap_is_refused_before_it_is_read(client: FlaskClient) -> None:
    class Unread(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _: object) -> int:
            raise AssertionError("the body was read")

    answer = client.post(
        UPLOAD,
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
        environ_overrides={"wsgi.input": Unread(), "CONTENT_LENGTH": str(2**40)},
    )
    refused(answer, 413, "Upload too large")


def test_a_second_file_over_the_cap_takes_the_first_with_it(client: FlaskClient) -> None:
    body = part("file", b"small", "one-1.0.zip") + part("file", b"x" * 200_000, "two-1.0.zip")
    answer = client.post(UPLOAD, data=body, content_type=f"multipart/form-data; boundary={BOUNDARY}")
    refused(answer, 413, "Upload too large")


@pytest.mark.parametrize("size", [600_000, 2_000_000])
def test_a_form_field_that_is_huge_is_refused(client: FlaskClient, size: int) -> None:
    body = part("file", archive_bytes(plugin_files()), "demo_plugin-1.0.0.zip") + part("note", b"x" * size)
    answer = client.post(UPLOAD, data=body, content_type=f"multipart/form-data; boundary={BOUNDARY}")
    refused(answer, 413, "Upload too large")


def test_a_form_of_very_many_fields_is_refused(client: FlaskClient) -> None:
    refused(upload(client, fields={f"field{number}": "" for number in range(1500)}), 413, "Upload too large")


def test_a_stream_without_a_length_is_refused_as_soon_as_it_passes_the_cap(app: Flask, client: FlaskClient) -> None:
    def endless() -> Iterator[bytes]:
        yield part("file", b"", "demo_plugin-1.0.0.zip").removesuffix(b"\r\n")
        for _ in range(1000):
            yield b"x" * 65536
        raise AssertionError("all of it was read")

    answer = client.post(
        UPLOAD,
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
        environ_overrides={
            "wsgi.input": io.BufferedReader(_Stream(endless())),
            "wsgi.input_terminated": True,
            "HTTP_TRANSFER_ENCODING": "chunked",
            "CONTENT_LENGTH": "",
        },
    )
    refused(answer, 413, "Upload too large")


class _Stream(io.RawIOBase):
    """A readable stream of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any buffer of bytes is given
        chunk = next(self._chunks, b"")[: len(buffer)]
        buffer[: len(chunk)] = chunk
        return len(chunk)


def test_a_tool_call_whose_body_is_over_the_message_limit_is_refused_and_harms_no_one(
    tmp_path: Path, zygote: Zygote
) -> None:
    settings = Settings(instance=tmp_path / "other", max_message_bytes=1_000_000)
    app = create_app(settings, zygote)
    app.test_client_class = CheckedClient
    parts = parts_of(app)
    try:
        client = app.test_client()
        assert upload(client).status_code == 201
        before = parts.serving.live_set.plugin("demo_plugin")
        body = b'{"a": "' + b"x" * 1_500_000 + b'"}'
        assert client.post("/api/v1/plugins/demo_plugin/tools/add", data=body).status_code == 413
        after = parts.serving.live_set.plugin("demo_plugin")
        assert before is not None
        assert after is not None
        assert (after.status, after.pid) == ("live", before.pid)
    finally:
        parts.close()
