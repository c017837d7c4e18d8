import io
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cadence.errors import InvalidArchive
from cadence.intake.archive import extract
from cadence.model import Fault, Upload
from tests.intake.conftest import LIMITS, Extract, Refusal, naively_extracted
from tests.intake.forgery import (
    DESCRIPTOR,
    STORED,
    Forged,
    archive,
    central_record,
    deflated,
    end_record,
    local_record,
    plugin,
)

EVIL = b"import os; os._exit(1)\n"


@pytest.mark.parametrize("data", [b"", b"PK", b"just text", b"\x89PNG" * 100, archive(*plugin())[:-30]])
def test_a_file_that_is_no_zip_is_refused_in_the_words_of_the_contract(unpack: Extract, data: bytes) -> None:
    with pytest.raises(InvalidArchive) as caught:
        unpack(data)
    assert caught.value.message == "Invalid ZIP file format"
    assert caught.value.details == "File is not a valid ZIP archive"


def test_data_before_the_archive_is_refused(refused: Refusal, tmp_path: Path) -> None:
    data = b"#!/bin/sh\nexit\n" + archive(*plugin())
    assert naively_extracted(data, _elsewhere(tmp_path))
    assert "data_before_archive" in refused(data)


def _elsewhere(tmp_path: Path) -> Path:
    """A folder beside ``tmp_path``, so that what a refusal leaves in ``tmp_path`` can be looked at."""
    folder = tmp_path.with_name(tmp_path.name + "-naive")
    folder.mkdir(exist_ok=True)
    return folder


def test_data_before_the_archive_is_refused_when_the_offsets_admit_it(refused: Refusal, tmp_path: Path) -> None:
    stub = b"#!/bin/sh\nexit\n"
    entry = Forged("a.py")
    body, directory = stub + local_record(entry), central_record(entry, len(stub))
    data = body + directory + end_record(1, len(directory), len(body))
    assert naively_extracted(data, _elsewhere(tmp_path)) == {"a.py"}
    assert "data_before_archive" in refused(data)


def test_data_after_the_archive_is_refused(refused: Refusal, tmp_path: Path) -> None:
    data = archive(*plugin()) + b"trailing"
    assert naively_extracted(data, _elsewhere(tmp_path))
    assert "data_after_archive" in refused(data)


def test_an_archive_hidden_in_a_comment_is_refused(refused: Refusal, tmp_path: Path) -> None:
    hidden = archive(Forged("evil.py", EVIL))
    data = archive(*plugin(), comment=hidden)
    assert naively_extracted(data, _elsewhere(tmp_path)) == {"evil.py"}, "zipfile sees the inner archive"
    assert "ambiguous_end" in refused(data)


def test_an_end_record_inside_a_comment_that_does_not_fit_is_refused(refused: Refusal) -> None:
    assert "ambiguous_end" in refused(archive(*plugin(), comment=b"PK\5\6" + b"x" * 40))


def test_an_archive_stored_inside_another_passes(unpack: Extract) -> None:
    inner = archive(Forged("inner.py"))
    assert "inner.zip" in unpack(archive(*plugin(Forged("inner.zip", inner, method=STORED)))).files


@pytest.mark.parametrize("comment", [b"83a6143975ff3f0777514718aa043c17adacd9ef", b"c" * 65535])
def test_a_comment_is_fine(unpack: Extract, comment: bytes) -> None:
    assert len(unpack(archive(*plugin(), comment=comment)).files) == 4


def test_a_split_archive_is_refused(refused: Refusal) -> None:
    data = archive(*plugin())
    assert "split_archive" in refused(data[:-18] + struct.pack("<HH", 1, 1) + data[-14:])


@pytest.mark.parametrize("count", [3, 5])
def test_an_end_record_that_miscounts_the_entries_is_refused(refused: Refusal, tmp_path: Path, count: int) -> None:
    data = archive(*plugin(), count=count)
    assert len(naively_extracted(data, _elsewhere(tmp_path))) == 4
    assert "damaged_directory" in refused(data)


def test_an_entry_hidden_between_two_others_is_refused(refused: Refusal, tmp_path: Path) -> None:
    hidden = local_record(Forged("evil.py", EVIL))
    data = archive(Forged("a.py", gap_after=hidden), Forged("b.py"))
    assert naively_extracted(data, _elsewhere(tmp_path)) == {"a.py", "b.py"}, "a streaming reader would see evil.py"
    assert refused(data) == {"unaccounted_data": "a.py"}


def test_bytes_between_the_directory_and_its_end_are_refused(refused: Refusal) -> None:
    entry = Forged("a.py")
    body, directory = local_record(entry), central_record(entry, 0)
    data = body + directory + b"surplus" + end_record(1, len(directory), len(body))
    assert "unaccounted_data" in refused(data)


def test_overlapping_entries_are_refused(refused: Refusal, tmp_path: Path) -> None:
    """As in David Fifield's zip bomb: one stored block of data that quotes the local header of the next entry."""
    kernel = Forged("b.py", b"A" * 1000)
    inner = local_record(kernel)
    outer = Forged("a.py", inner, method=STORED, packed=b"")
    first = replace(outer, local={"packed_bytes": len(inner)}, central={"packed_bytes": len(inner)})
    body = local_record(first) + inner
    directory = central_record(first, 0) + central_record(kernel, len(local_record(first)))
    data = body + directory + end_record(2, len(directory), len(body))
    assert naively_extracted(data, _elsewhere(tmp_path)) == {"a.py", "b.py"}
    assert refused(data)["overlapping_entries"] == "a.py"


def test_two_names_for_the_same_data_are_refused(refused: Refusal) -> None:
    entry = Forged("a.py")
    directory = central_record(entry, 0) * 2
    data = local_record(entry) + directory + end_record(2, len(directory), len(local_record(entry)))
    assert "overlapping_entries" in refused(data)


@pytest.mark.parametrize(
    "lie",
    [
        {"name": b"evil.py"},
        {"method": STORED},
        {"flags": 1 << 11},
        {"flags": 1},
        {"flags": DESCRIPTOR},
        {"crc": 1},
        {"size": 1},
        {"packed_bytes": 1},
    ],
    ids=str,
)
def test_a_local_header_that_disagrees_with_the_directory_is_refused(
    refused: Refusal, lie: dict[str, bytes | int]
) -> None:
    assert refused(archive(Forged("a.py"), Forged("b.py", local=lie)))["header_disagreement"] == "b.py"


@pytest.mark.parametrize(
    "lie", [{"method": STORED}, {"flags": DESCRIPTOR}, {"crc": 1}, {"size": 1}, {"packed_bytes": 1}], ids=str
)
def test_zipfile_alone_would_take_such_a_header(tmp_path: Path, lie: dict[str, int]) -> None:
    assert naively_extracted(archive(Forged("b.py", local=lie)), tmp_path) == {"b.py"}


def test_a_directory_entry_that_points_nowhere_is_refused(refused: Refusal) -> None:
    codes = refused(archive(Forged("a.py"), Forged("b.py", central={"offset": 3})))
    assert codes["header_disagreement"] == "b.py"


@pytest.mark.parametrize("form", ["<LLL", "<4sLLL", "<LQQ", "<4sLQQ"])
def test_every_form_of_data_descriptor_passes(unpack: Extract, form: str) -> None:
    data = b"value = 2\n" * 20
    values = (zlib.crc32(data), len(deflated(data)), len(data))
    descriptor = struct.pack(form, *([b"PK\7\x08"] if "4s" in form else []), *values)
    entry = Forged(
        "a.py", data, flags=DESCRIPTOR, descriptor=descriptor, local={"crc": 0, "packed_bytes": 0, "size": 0}
    )
    assert unpack(archive(entry, Forged("b.py"))).files == ("a.py", "b.py")


def test_a_data_descriptor_that_lies_is_refused(refused: Refusal, tmp_path: Path) -> None:
    entry = Forged("a.py", flags=DESCRIPTOR, descriptor=struct.pack("<4sLLL", b"PK\7\x08", 1, 2, 3))
    data = archive(entry)
    assert naively_extracted(data, _elsewhere(tmp_path)) == {"a.py"}
    assert refused(data) == {"header_disagreement": "a.py"}


def test_a_missing_data_descriptor_is_refused(refused: Refusal) -> None:
    assert refused(archive(Forged("a.py", flags=DESCRIPTOR), Forged("b.py"))) == {"header_disagreement": "a.py"}


@pytest.mark.parametrize("flag", [1 << 0, 1 << 6, 1 << 13])
def test_an_encrypted_entry_is_refused(refused: Refusal, flag: int) -> None:
    assert refused(archive(*plugin(Forged("secret.py", flags=flag)))) == {"encrypted_entry": "secret.py"}


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 93, 99])
def test_an_unknown_compression_method_is_refused(refused: Refusal, method: int) -> None:
    assert refused(archive(*plugin(Forged("a.bin", method=method)))) == {"unsupported_compression": "a.bin"}


def test_methods_that_zipfile_would_unpack_are_refused_too(refused: Refusal, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.py", "x = 1")
    assert naively_extracted(buffer.getvalue(), _elsewhere(tmp_path)) == {"a.py"}
    assert "unsupported_compression" in refused(buffer.getvalue())


def test_an_archive_that_needs_a_newer_reader_is_refused(refused: Refusal) -> None:
    assert "unsupported_archive" in refused(archive(Forged("a.py", central={"needed": 99})))


def test_a_name_that_claims_utf8_and_is_not_is_refused(refused: Refusal) -> None:
    assert "damaged_directory" in refused(archive(Forged(b"\xff\xfe.py", flags=1 << 11)))


def test_a_second_name_in_an_extra_field_is_refused(refused: Refusal, tmp_path: Path) -> None:
    payload = struct.pack("<BL", 1, zlib.crc32(b"good.py")) + b"evil.py"
    data = archive(Forged("good.py", extra=struct.pack("<HH", 0x7075, len(payload)) + payload))
    assert naively_extracted(data, _elsewhere(tmp_path)) == {"good.py"}, "Info-ZIP's unzip writes evil.py"
    assert refused(data) == {"header_disagreement": "good.py"}


def test_a_zip64_archive_passes(unpack: Extract) -> None:
    assert len(unpack(archive(*plugin(), zip64={})).files) == 4


@pytest.mark.parametrize("lie", [{"located": 7}, {"claimed": 3}])
def test_a_zip64_end_that_disagrees_is_refused(refused: Refusal, tmp_path: Path, lie: dict[str, int]) -> None:
    data = archive(*plugin(), zip64=lie)
    assert len(naively_extracted(data, _elsewhere(tmp_path))) == 4
    assert "header_disagreement" in refused(data)


def test_a_directory_swollen_by_extra_fields_is_refused_before_it_is_parsed(refused: Refusal) -> None:
    swollen = [Forged(f"{i}", extra=struct.pack("<HH", 0xCAFE, 60000) + bytes(60000)) for i in range(40)]
    assert "directory_too_large" in refused(archive(*swollen))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_archive_is_unpacked_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(
        archive(*plugin(Forged("sub/é.txt")), comment=b"hello", zip64=data.draw(st.sampled_from([None, {}])))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "upload").write_bytes(whole)
    faults: tuple[Fault, ...] = ()
    try:
        extract(Upload(str(folder / "upload"), "a-1.zip", "", len(whole)), folder / "out", LIMITS)
    except InvalidArchive as error:
        faults = error.faults
    assert (folder / "out").exists() is not bool(faults)
