"""Checking, cancelling, the log and the lock, as a client without a browser sees them."""

import io

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cadence.model import CheckOptions, InstallOptions, PluginRef
from cadence.web.packages import Packages, PackageView
from tests.web.pages.preview import MadeUpServices, plugin, scene, version
from tests.web.pages.test_pages import HTMX, token, upload


def sent(client: FlaskClient, path: str, *names: str, htmx: bool = True, **fields: str) -> TestResponse:
    files = [(io.BytesIO(b"x"), name) for name in names]
    data = {"csrf_token": token(client), "file": files, **fields}
    return client.post(path, data=data, headers=HTMX if htmx else {})


def test_a_check_is_sent_to_its_own_address_with_its_options(client: FlaskClient, services: MadeUpServices) -> None:
    assert sent(client, "/plugins/validate", "a-1.0.zip").status_code == 200
    sent(client, "/plugins/validate", "a-1.0.zip", trial="y", upgrade="y", force_overwrite="y")
    sent(client, "/plugins/upload", "a-1.0.zip", trial="y", upgrade="y")
    assert services.options == [
        CheckOptions(),
        CheckOptions(force_overwrite=True, upgrade=True, trial=True),
        InstallOptions(upgrade=True),
    ]


def test_a_check_without_scripts_leads_to_its_page(client: FlaskClient) -> None:
    answer = sent(client, "/plugins/validate", "a-1.0.zip", htmx=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/installs/0001")
    assert "<h1>Check of a-1.0.zip</h1>" in client.get("/installs/0001").text


def test_what_a_check_found_is_told_in_full(client: FlaskClient, services: MadeUpServices) -> None:
    services.shown = scene("installs").shown
    page = " ".join(client.get("/installs/e").text.split())
    for words in (
        "math_plugin 1.0.0 is valid, as far as that can be told without a trial. It brings 2 packages.",
        "numpy 2.1.0",
        "16.1 MB, for <code>numpy&gt;=1.20.0</code>",
        "16.5 MB to download, at most.",
        "langchain-core 1.7.0",
        "pydantic&lt;2.8 does not go with pydantic 2.14.3",
        "with Force overwrite: this version is installed already",
        "It was not tried out",
    ):
        assert words in page
    assert "Publish" not in page


def test_a_refused_requirement_is_named_with_its_reason_and_the_log_at_hand(
    client: FlaskClient, services: MadeUpServices
) -> None:
    crowded = scene("installs")
    services.shown, services.said = crowded.shown, crowded.said
    page = client.get("/installs/f").text
    for words in ("numpy&gt;=99", "There is no such version of it.", "Downloading package-39 (1.39 MiB)"):
        assert words in page


def test_a_count_is_shown_with_its_stage(client: FlaskClient, services: MadeUpServices) -> None:
    services.shown = scene("installs").shown
    assert client.get("/installs/h").text.count("3 of 12 packages") == 1


def test_the_log_is_sent_line_by_line_and_asked_for_until_the_end(
    client: FlaskClient, services: MadeUpServices
) -> None:
    upload(client, "stuck-1.0.zip")
    services.said = ["one", "two"]
    first = client.get("/installs/0001/log", headers=HTMX)
    assert [words in first.text for words in (">one<", ">two<", "log?after=2")] == [True] * 3
    assert client.get("/installs/0001/log?after=2", headers=HTMX).status_code == 204
    services.said.append("three")
    second = client.get("/installs/0001/log?after=2", headers=HTMX).text
    assert [words in second for words in (">two<", ">three<", "log?after=3")] == [False, True, True]
    services.cancel("0001")
    last = client.get("/installs/0001/log?after=3", headers=HTMX)
    assert (last.status_code, last.text.strip()) == (200, "")


def test_an_empty_log_says_so(client: FlaskClient, services: MadeUpServices) -> None:
    services.shown = scene("installs").shown
    assert "It said nothing." in client.get("/installs/d/log", headers=HTMX).text


def test_the_log_of_an_install_nobody_knows_is_not_asked_for_again(client: FlaskClient) -> None:
    answer = client.get("/installs/0815/log", headers=HTMX)
    assert (answer.status_code, answer.text) == (200, "")


@pytest.mark.parametrize("after", ["-3", "x", "9" * 40])
def test_a_number_of_a_line_that_is_none_does_no_harm(client: FlaskClient, after: str) -> None:
    upload(client, "stuck-1.0.zip")
    assert client.get(f"/installs/0001/log?after={after}", headers=HTMX).status_code < 300


def test_the_log_is_part_of_the_page_where_there_are_no_scripts(client: FlaskClient) -> None:
    assert client.get("/installs/0001/log").headers["Location"] == "/installs/0001"


def test_what_a_log_says_is_text_and_nothing_else(client: FlaskClient, services: MadeUpServices) -> None:
    upload(client, "stuck-1.0.zip")
    services.said = ["<script>alert(1)</script>"]
    for answer in (client.get("/installs/0001"), client.get("/installs/0001/log", headers=HTMX)):
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert(1)" in answer.text


def test_an_install_is_cancelled_with_and_without_scripts(client: FlaskClient, services: MadeUpServices) -> None:
    upload(client, "stuck-1.0.zip", "stuck-2.0.zip")
    fields = {"csrf_token": token(client)}
    row = client.post("/installs/0001/cancel", data=fields, headers=HTMX)
    assert "The install was cancelled. Nothing was changed." in row.text
    answer = client.post("/installs/0002/cancel", data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/installs/0002")
    assert client.post("/installs/0002/cancel", data=fields).status_code == 409


def test_a_cancel_without_the_token_of_the_page_is_refused(client: FlaskClient, services: MadeUpServices) -> None:
    upload(client, "stuck-1.0.zip")
    assert client.post("/installs/0001/cancel").status_code == 403
    assert services.records["0001"].state == "running"


def test_the_page_of_a_plugin_names_its_packages_its_interpreter_and_its_lock(
    client: FlaskClient, services: MadeUpServices
) -> None:
    own = version("1.0.0", environment="abc", dependencies_installed=("numpy>=1.20",), isolated=True)
    services.installed[:] = [plugin(versions=(own,))]
    brought = (PackageView("numpy", "2.1.0"), PackageView("pydantic", "2.7.4"))
    packages = Packages(brought, ("pydantic<2.8 does not fit.",), "numpy==2.1.0\n")
    services.brought[PluginRef("math_plugin", "1.0.0")] = packages
    page = client.get("/plugins/math_plugin/packages").text
    for words in ("2.1.0", "pydantic", "2.7.4", "In an interpreter of its own. pydantic&lt;2.8 does not fit."):
        assert words in page
    answer = client.get("/plugins/math_plugin/1.0.0/lock")
    assert answer.text == "numpy==2.1.0\n"
    assert answer.headers["Content-Disposition"] == "attachment; filename=math_plugin-1.0.0-lock.txt"
    assert "/plugins/math_plugin/1.0.0/lock" in page
    services.brought.clear()
    assert client.get("/plugins/math_plugin/1.0.0/lock").status_code == 404


def test_the_page_of_a_plugin_without_packages_offers_no_lock(client: FlaskClient) -> None:
    assert "/lock" not in client.get("/plugins/math_plugin").text


def test_an_install_that_is_asked_to_end_says_so(client: FlaskClient, services: MadeUpServices) -> None:
    upload(client, "stuck-1.0.zip")
    services.records["0001"] = msgspec.structs.replace(services.records["0001"], cancelling=True)
    page = client.get("/installs/0001", headers=HTMX).text
    assert "Cancelling" in page
    assert "/cancel" not in page
