"""The first page of a plugin, its packages, and the files that can be had of it."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cadence.model import PluginRef
from cadence.web.packages import BroughtPackage, Packages
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
        (
            BroughtPackage("numpy", "2.1.0", required=True, needed_by=("pandas", "scipy")),
            BroughtPackage("six", "1.17.0", needed_by=tuple(f"needs-it-{number}" for number in range(9)), built=True),
        ),
        (),
        "numpy==2.1.0",
        (PluginRef("statistics_plugin", "3.0"),),
        73 * 1024 * 1024,
    )
    page = client.get("/plugins/math_plugin/packages").text
    for words in ("numpy&gt;=1.20", "2.1.0", "statistics_plugin 3.0", "Download the lock", "73 MB on the disk"):
        assert words in page
    numpy, six = (" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in page.split("<tr>")[2:4])
    assert numpy == "numpy 2.1.0 math_plugin itself, pandas, scipy"
    assert six.startswith("six 1.17.0 Built here needs-it-0, needs-it-1")
    assert "needs-it-5 and 3 more" in six


def test_a_plugin_without_packages_says_so(client: FlaskClient) -> None:
    assert "It needs no packages beyond" in client.get("/plugins/math_plugin/packages").text


@pytest.mark.parametrize("section", ["", "/packages", "/tools", "/versions", "/health", "/history"])
def test_a_plugin_that_is_not_installed_has_no_page(client: FlaskClient, section: str) -> None:
    answer = client.get(f"/plugins/nobody{section}")
    assert answer.status_code == 404
    assert answer.text.startswith("<!doctype html>")
