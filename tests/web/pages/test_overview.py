"""The first page of a plugin, its packages, and the files that can be had of it."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cadence.config import MIB
from cadence.model import PluginRef
from cadence.web.packages import Packages, PackageView
from tests.web.pages.preview import MadeUpServices, plugin, version


def test_it_shows_what_the_plugin_says_of_itself(client: FlaskClient) -> None:
    page = client.get("/plugins/math_plugin").text
    for words in ("Exact arithmetic", "arithmetic, statistics", "gpt-4.1", "1024 tokens", "Specialized", "multiply"):
        assert words in page


def test_it_renders_the_readme_and_nothing_of_it_can_run(client: FlaskClient, services: MadeUpServices) -> None:
    services.readmes["math_plugin"] = b"# Hello\n\n<script>alert(1)</script> [x](javascript:alert(1))"
    page = client.get("/plugins/math_plugin").text
    assert "<h3>Hello</h3>" in page
    assert "<script>alert" not in page
    assert 'href="javascript' not in page


def test_without_a_readme_it_says_what_one_is_for(client: FlaskClient) -> None:
    assert "Its archive has no README.md." in client.get("/plugins/math_plugin").text


def test_what_it_asks_for_leads_to_what_it_was_granted(client: FlaskClient, services: MadeUpServices) -> None:
    services.describes["math_plugin"] = {"requests": ("api.example.com:443",)}
    page = client.get("/plugins/math_plugin").text
    assert "Asks for api.example.com:443" in page
    assert 'href="/plugins/math_plugin/permissions"' in page


@pytest.mark.parametrize("model", [{"<b>": ["x"]}, {"temperature": None}, {str(n): n for n in range(1000)}])
def test_whatever_it_wrote_as_model_requirements_is_shown(
    client: FlaskClient, services: MadeUpServices, model: dict[str, object]
) -> None:
    services.describes["math_plugin"] = {"model": model}
    answer = client.get("/plugins/math_plugin")
    assert answer.status_code == 200
    assert "<b>" not in answer.text
    assert len(answer.data) < 40_000


def test_the_archive_can_be_had_as_it_was_uploaded(
    client: FlaskClient, services: MadeUpServices, tmp_path: Path
) -> None:
    services.archives = tmp_path
    (tmp_path / "math_plugin-1.0.0.zip").write_bytes(b"PK...")
    answer = client.get("/plugins/math_plugin/1.0.0/archive")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"PK...", "application/zip")
    assert answer.headers["Content-Disposition"] == "attachment; filename=math_plugin-1.0.0.zip"
    answer.close()


def test_an_archive_that_is_gone_is_said_in_words(
    client: FlaskClient, services: MadeUpServices, tmp_path: Path
) -> None:
    services.archives = tmp_path
    answer = client.get("/plugins/math_plugin/1.0.0/archive")
    assert answer.status_code == 404
    assert "The archive of math_plugin 1.0.0 is gone from the disk." in answer.text


def test_a_folder_has_no_archive_to_download(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed[:] = [plugin(versions=(version("1.0.0", source="directory"),))]
    page = client.get("/plugins/math_plugin").text
    assert "Download the archive" not in page
    assert "from a folder" in page


def test_packages_are_named_with_what_they_are_for_and_who_shares_them(
    client: FlaskClient, services: MadeUpServices
) -> None:
    services.installed[:] = [
        plugin(versions=(version("1.0.0", environment="ab" * 32, dependencies_installed=("numpy>=1.20",)),))
    ]
    services.brought[PluginRef("math_plugin", "1.0.0")] = Packages(
        (PackageView("numpy", "2.1.0"),), (), "numpy==2.1.0", (PluginRef("statistics_plugin", "3.0"),)
    )
    page = client.get("/plugins/math_plugin/packages").text
    for words in ("numpy&gt;=1.20", "2.1.0", "statistics_plugin 3.0", "Download the lock"):
        assert words in page


def rows_of(client: FlaskClient, services: MadeUpServices, brought: Packages) -> tuple[list[list[str]], str]:
    """The cells of the table of packages, row by row, and the page."""
    services.installed[:] = [plugin(versions=(version("1.0.0", environment="ab" * 32),))]
    services.brought[PluginRef("math_plugin", "1.0.0")] = brought
    page = client.get("/plugins/math_plugin/packages").text
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    return [re.findall(r">([^<>]+)</", re.sub(r"</?span[^>]*>", "", row)) for row in rows], page


def test_each_package_tells_its_size_and_who_needs_it(client: FlaskClient, services: MadeUpServices) -> None:
    brought = Packages(
        (
            PackageView("numpy", "2.1.0", 73 * MIB, True, ("pandas",)),
            PackageView("six", "1.17", 40 * 1024, False, ("dateutil",)),
            PackageView("old", "0.1", 1024, True, built=True),
        ),
        lock="numpy==2.1.0",
        size_bytes=74 * MIB,
    )
    rows, page = rows_of(client, services, brought)
    assert rows == [
        ["Package", "Version", "Size", "Needed by"],
        ["numpy", "2.1.0", "73 MB", "the plugin, pandas"],
        ["six", "1.17", "40 KB", "dateutil"],
        ["old", "0.1 Built here", "1 KB", "the plugin"],
    ]
    assert "<dt>On the disk</dt><dd>74 MB</dd>" in page


def test_a_size_and_a_reason_that_are_not_known_are_said_to_be_so(
    client: FlaskClient, services: MadeUpServices
) -> None:
    rows, page = rows_of(client, services, Packages((PackageView("six", "1.17"),), lock="six==1.17"))
    assert rows[1] == ["six", "1.17", "unknown", "unknown"]
    assert "On the disk" not in page


def test_markup_in_what_needs_a_package_is_text(client: FlaskClient, services: MadeUpServices) -> None:
    hostile = PackageView("<b>x</b>", "<i>1</i>", 1, False, ("<script>alert(1)</script>",))
    _, page = rows_of(client, services, Packages((hostile,), lock="x"))
    assert "&lt;script&gt;alert(1)" in page
    for markup in ("<b>x", "<i>1", "<script>alert"):
        assert markup not in page


def test_a_plugin_without_packages_says_so(client: FlaskClient) -> None:
    assert "It needs no packages beyond" in client.get("/plugins/math_plugin/packages").text


@pytest.mark.parametrize("section", ["", "/packages", "/tools", "/versions", "/health", "/history"])
def test_a_plugin_that_is_not_installed_has_no_page(client: FlaskClient, section: str) -> None:
    answer = client.get(f"/plugins/nobody{section}")
    assert answer.status_code == 404
    assert answer.text.startswith("<!doctype html>")
