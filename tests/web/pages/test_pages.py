"""The routes as a client without a browser sees them."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import InternalServerError
from werkzeug.test import TestResponse

from cadence.errors import ValidationFailed
from cadence.model import Fault, InstallOptions
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages import problem_page
from tests.web.pages.preview import MAX_UPLOAD_BYTES, MadeUpServices, plugin, version

HTMX = {"HX-Request": "true"}
TEMPLATES = Path(__file__).parents[3] / "templates"


def token(client: FlaskClient) -> str:
    page = client.get("/plugins").text
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found
    return found.group(1)


def upload(
    client: FlaskClient, *names: str, size_bytes: int = 9, force: bool = False, htmx: bool = False
) -> TestResponse:
    fields: dict[str, object] = {
        "csrf_token": token(client),
        "file": [(io.BytesIO(b"x" * size_bytes), name) for name in names],
    }
    if force:
        fields["force_overwrite"] = "y"
    return client.post("/plugins/upload", data=fields, headers=HTMX if htmx else {})


def test_the_root_leads_to_the_management_page(client: FlaskClient) -> None:
    assert client.get("/").headers["Location"] == "/plugins"


def test_the_page_lists_name_version_description_status_and_tools(client: FlaskClient) -> None:
    page = client.get("/plugins").text
    for words in ("math_plugin", "1.0.0", "Exact arithmetic", "Answering", "multiply", "Installed plugins"):
        assert words in page


def test_an_empty_server_explains_a_first_plugin(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed.clear()
    page = client.get("/plugins").text
    assert "No plugins yet" in page
    assert "greeter-1.0.0.zip" in page
    assert "register_plugin(GreeterPlugin)" in page


def test_the_sample_can_be_downloaded_and_is_what_the_page_shows(client: FlaskClient) -> None:
    answer = client.get("/plugins/sample.zip")
    assert answer.headers["Content-Disposition"] == "attachment; filename=greeter-1.0.0.zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        sources = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(sources) == {"__init__.py", "plugin.py", "agent.py", "tools.py"}
    for name, source in sources.items():
        compile(source, name, "exec")
        assert source == (TEMPLATES / "plugins" / "sample" / name).read_text()


def test_what_a_plugin_says_of_itself_is_never_markup(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed[:] = [plugin("evil", description="<script>alert(1)</script>", capabilities=("<b>x</b>",))]
    page = client.get("/plugins").text
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_file_name_is_never_markup(client: FlaskClient) -> None:
    answer = upload(client, "<img src=x onerror=alert(1)>-1.0.0.zip", htmx=True)
    assert answer.status_code == 200
    assert "<img" not in answer.text


def test_every_answer_forbids_what_the_pages_do_not_need(client: FlaskClient) -> None:
    for path in ("/plugins", "/nowhere", "/static/cadence.css"):
        with client.get(path) as answer:
            headers = answer.headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_template_holds_a_script_or_a_style_of_its_own() -> None:
    for template in TEMPLATES.rglob("*.html"):
        source = template.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|https?://", source), template


def test_the_htmx_script_comes_from_its_wheel_and_may_be_kept(client: FlaskClient) -> None:
    found = re.search(r'src="(/assets/htmx-[^"]+)"', client.get("/plugins").text)
    assert found
    answer = client.get(found.group(1))
    assert answer.data.startswith(b"var htmx=")
    assert answer.mimetype == "text/javascript"
    assert answer.cache_control.max_age == 31_536_000
    again = client.get(found.group(1), headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_script_of_another_digest_is_not_found(client: FlaskClient) -> None:
    assert client.get("/assets/htmx-0000000000000000.js").status_code == 404


def test_the_list_is_not_sent_again_while_nothing_changed(client: FlaskClient, services: MadeUpServices) -> None:
    first = client.get("/plugins/list", headers=HTMX)
    conditional = HTMX | {"If-None-Match": first.headers["ETag"]}
    assert client.get("/plugins/list", headers=conditional).status_code == 304
    services.installed.append(plugin("other"))
    changed = client.get("/plugins/list", headers=conditional)
    assert changed.status_code == 200
    assert "other" in changed.text


def test_the_list_asks_with_the_tag_of_what_it_shows(client: FlaskClient) -> None:
    answer = client.get("/plugins/list", headers=HTMX)
    tag = answer.headers["ETag"].strip('"')
    assert f'hx-headers=\'{{"If-None-Match": "\\"{tag}\\""}}\'' in answer.text


def test_an_upload_leads_to_the_page_of_its_install(client: FlaskClient) -> None:
    answer = upload(client, "math_plugin-1.1.0.zip")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/installs/0001")
    page = client.get("/installs/0001").text
    assert "Receiving the file" in page
    assert '<meta http-equiv="refresh"' in page


def test_an_install_that_is_over_is_not_reloaded(client: FlaskClient, services: MadeUpServices) -> None:
    upload(client, "broken_plugin-1.0.0.zip")
    while (view := services.install("0001")) and view.poll:
        pass
    page = client.get("/installs/0001").text
    assert "http-equiv" not in page
    for words in ("Missing required file: tools.py", "agent.py:12", "3 faults", "Plugin validation failed"):
        assert words in page


def test_several_files_become_several_installs(client: FlaskClient, services: MadeUpServices) -> None:
    answer = upload(client, "a-1.0.zip", "b-1.0.zip")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/plugins")
    assert [record.filename for record in services.records.values()] == ["a-1.0.zip", "b-1.0.zip"]


def test_a_refused_file_does_not_keep_its_neighbours_from_being_installed(
    client: FlaskClient, services: MadeUpServices
) -> None:
    upload(client, "twice-1.0.zip", "b-1.0.zip")
    assert [record.filename for record in services.records.values()] == ["b-1.0.zip"]
    assert "twice-1.0.zip: Plugin already exists." in client.get("/plugins").text


@pytest.mark.parametrize("force", [True, False])
def test_force_overwrite_is_passed_on(client: FlaskClient, services: MadeUpServices, force: bool) -> None:
    upload(client, "a-1.0.zip", force=force)
    assert services.options == [InstallOptions(force_overwrite=force)]


def test_an_upload_without_a_file_is_refused_in_words(client: FlaskClient, services: MadeUpServices) -> None:
    answer = client.post("/plugins/upload", data={"csrf_token": token(client), "file": (io.BytesIO(), "")})
    assert answer.status_code == 400
    assert "No file provided" in answer.text
    assert not services.records


@pytest.mark.parametrize("htmx", [True, False])
def test_a_file_that_is_too_large_is_refused_in_words(client: FlaskClient, htmx: bool) -> None:
    answer = upload(client, "big-1.0.zip", size_bytes=MAX_UPLOAD_BYTES + 1, htmx=htmx)
    assert answer.status_code == 413
    assert "Upload too large" in answer.text
    assert answer.text.lstrip().startswith("<article" if htmx else "<!doctype html>")


@pytest.mark.parametrize("path", ["/plugins/upload", "/plugins/reload", "/plugins/math_plugin/1.0.0/delete"])
def test_a_post_without_the_token_is_refused_and_changes_nothing(
    client: FlaskClient, services: MadeUpServices, path: str
) -> None:
    answer = client.post(path, data={"file": (io.BytesIO(b"x"), "a-1.0.zip")})
    assert answer.status_code == 403
    assert "out of date" in answer.text
    assert len(services.installed) == 1
    assert not services.records


def test_htmx_gets_the_row_of_a_running_install_that_asks_on(client: FlaskClient) -> None:
    row = upload(client, "a-1.0.zip", htmx=True).text
    assert 'hx-get="/installs/0001"' in row
    assert "every 300ms" in row


def test_an_unchanged_install_is_not_sent_again(client: FlaskClient) -> None:
    upload(client, "stuck-1.0.zip")
    first = client.get("/installs/0001", headers=HTMX)
    assert client.get("/installs/0001", headers=HTMX | {"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_the_end_of_an_install_stops_the_asking_and_refreshes_the_list(client: FlaskClient) -> None:
    upload(client, "new-1.0.zip")
    answer = client.get("/installs/0001", headers=HTMX)
    while "every 300ms" in answer.text:
        assert "HX-Trigger" not in answer.headers
        answer = client.get("/installs/0001", headers=HTMX)
    assert answer.headers["HX-Trigger"] == "plugins-changed"
    assert "new 1.0 is installed and answers now." in answer.text


def test_asking_for_an_install_nobody_knows_ends_the_asking(client: FlaskClient) -> None:
    answer = client.get("/installs/0815", headers=HTMX)
    assert answer.status_code == 286
    assert client.get("/installs/0815").status_code == 404


def test_a_page_and_a_fragment_of_one_address_are_kept_apart(client: FlaskClient) -> None:
    upload(client, "stuck-1.0.zip")
    assert "HX-Request" in client.get("/installs/0001").headers["Vary"]
    assert client.get("/installs/0001").text.startswith("<!doctype html>")
    assert "<html" not in client.get("/installs/0001", headers=HTMX).text


def test_the_confirmation_names_what_a_deletion_destroys(client: FlaskClient) -> None:
    page = client.get("/plugins/math_plugin/1.0.0/delete").text
    for words in ("store_plugin/math_plugin-1.0.0", "math_plugin-1.0.0.zip", "14 KB", "median", "only version"):
        assert words in page


def test_the_confirmation_names_the_versions_that_stay(client: FlaskClient, services: MadeUpServices) -> None:
    services.installed[:] = [plugin(versions=(version("2.0"), version("1.0.0", active=False)))]
    page = client.get("/plugins/math_plugin/2.0/delete").text
    assert "It is the version that answers now. 1.0.0 takes its place." in page
    assert "only version" not in page


def test_a_deletion_is_done_and_said(client: FlaskClient, services: MadeUpServices) -> None:
    answer = client.post("/plugins/math_plugin/1.0.0/delete", data={"csrf_token": token(client)})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/plugins")
    assert services.installed == []
    assert "math_plugin 1.0.0 was deleted." in client.get("/plugins").text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_installed_cannot_be_deleted(client: FlaskClient, method: str) -> None:
    answer = client.open("/plugins/math_plugin/9.9/delete", method=method, data={"csrf_token": token(client)})
    assert answer.status_code == 404
    assert "math_plugin 9.9 is not installed." in answer.text


def test_a_failed_deletion_is_a_notice_for_htmx(client: FlaskClient) -> None:
    fields = {"csrf_token": token(client)}
    answer = client.post("/plugins/math_plugin/9.9/delete", data=fields, headers=HTMX)
    assert answer.status_code == 404
    assert answer.headers["HX-Retarget"] == "#notices"
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("/nowhere", 404, "There is no page at this address"), ("/plugins/reload", 405, "Not possible this way")],
)
def test_a_wrong_address_is_a_page_in_words(client: FlaskClient, path: str, status: int, words: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert words in answer.text


def test_a_page_for_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    assert "POST" in client.get("/plugins/reload").headers["Allow"]


@pytest.mark.parametrize("error", [InternalServerError(), RuntimeError("secret path /srv")])
def test_a_failure_of_the_server_tells_nothing_of_its_inside(app: Flask, error: Exception) -> None:
    with app.test_request_context("/plugins"):
        answer = problem_page(error)
    assert answer.status_code == 500
    assert "nothing is half done" in answer.get_data(as_text=True)
    assert "secret" not in answer.get_data(as_text=True)


def test_every_fault_of_a_refusal_is_on_its_page(app: Flask) -> None:
    faults = [Fault("inspect", "missing_file", f"Missing required file: {name}") for name in ("a.py", "b.py")]
    with app.test_request_context("/plugins"):
        answer = problem_page(ValidationFailed(faults=faults))
    assert answer.status_code == 422
    assert "a.py" in answer.get_data(as_text=True)
    assert "b.py" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("headers", "fragment"),
    [
        ({}, False),
        (HTMX, True),
        (HTMX | {"HX-Boosted": "true"}, False),
        (HTMX | {"HX-History-Restore-Request": "true"}, False),
    ],
)
def test_a_fragment_is_only_for_htmx_itself(app: Flask, headers: dict[str, str], fragment: bool) -> None:
    with app.test_request_context("/plugins", headers=headers):
        assert is_htmx() is fragment


def test_an_answer_may_use_every_swap_style_of_htmx() -> None:
    answer = respond("<p>x</p>", trigger={"a": 1}, retarget="#b", reswap="afterbegin show:top", status=409)
    assert answer.status_code == 409
    assert answer.headers["HX-Trigger"] == '{"a": 1}'
    assert answer.headers["HX-Retarget"] == "#b"
    assert answer.headers["HX-Reswap"] == "afterbegin show:top"
