"""The management page: the list of plugins, deletion, reload."""

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import NotFound
from cadence.expectation import Outdated
from cadence.model import PluginRef
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import DeleteForm, ReloadForm, UploadForm
from cadence.web.pages.fragments import conditional
from cadence.web.pages.installs import install_row, installs_fields
from cadence.web.pages.listing import SHOWN_DELETED, asked, list_fields
from cadence.web.pages.sample import SAMPLE_ARCHIVE, sample_archive
from cadence.web.pages.services import services
from cadence.web.present import PluginView, VersionView


def home() -> AnyResponse:
    """``GET /``: on to the first of the areas."""
    return redirect(url_for("pages.plugins"))


def plugins() -> AnyResponse:
    """``GET /plugins?q=&status=&sort=&page=``: the management page."""
    return plugins_page()


def plugin_list() -> AnyResponse:
    """``GET /plugins/list``: the list alone, 304 when it is as the page has it."""
    fields = _listed()
    return conditional(lambda: render_template("plugins/partials/list.html", **fields), fields["tag"])


def deleted() -> AnyResponse:
    """``GET /plugins/deleted``: every version that was deleted and can be brought back."""
    return Response(render_template("plugins/deleted.html", deleted=services().deleted()))


def delete(name: str, version: str) -> AnyResponse:
    """``GET /plugins/<name>/<version>/delete`` asks, ``POST`` does it; it asks again where what it said is not so."""
    ref = PluginRef(name, version)
    form = DeleteForm()
    if request.method != "POST":
        return _confirmation(ref)
    form.require_valid()
    try:
        return _deleted(ref, services().delete(ref, form.expected))
    except Outdated as error:
        return _confirmation(ref, error)


def reload() -> AnyResponse:
    """``POST /plugins/reload``: load every plugin anew and show how it went."""
    ReloadForm().require_valid()
    result = services().reload()
    if not is_htmx():
        return plugins_page(reloaded=result)
    html = render_template("plugins/partials/reloaded.html", reloaded=result)
    return respond(html, trigger="plugins-changed")


def sample() -> Response:
    """``GET /plugins/sample.zip``: a first plugin, ready to be uploaded."""
    response = Response(sample_archive(), mimetype="application/zip")
    response.headers.set("Content-Disposition", "attachment", filename=SAMPLE_ARCHIVE)
    return response


def install_sample() -> AnyResponse:
    """``POST /plugins/sample.zip``: install that plugin, by the way of every upload."""
    ReloadForm().require_valid()
    install_id = services().install_bytes(SAMPLE_ARCHIVE, sample_archive())
    view = services().install(install_id) if is_htmx() else None
    if view is None:
        return redirect(url_for("pages.install", install_id=install_id), 303)
    return respond(install_row(view))


def plugins_page(status: int = 200, **results: object) -> Response:
    """The management page.

    :param results: what an action came to, to be shown above the list: ``reloaded`` or ``bulk``.
    """
    html = render_template(
        "plugins/page.html",
        **_listed(),
        **results,
        **installs_fields(),
        upload_form=UploadForm(formdata=None),
        reload_form=ReloadForm(formdata=None),
        max_upload_bytes=services().max_upload_bytes,
    )
    return Response(html, status=status)


def _listed() -> dict[str, Any]:
    return list_fields(services().listed(asked()), services().deleted(limit=SHOWN_DELETED + 1))


def _confirmation(ref: PluginRef, refused: Outdated | None = None) -> AnyResponse:
    """What would be deleted as it stands now, and why it was not, where that was asked for."""
    plugin, doomed = _find(ref)
    template = "plugins/partials/delete.html" if is_htmx() else "plugins/delete.html"
    html = render_template(
        template,
        plugin=plugin,
        doomed=doomed,
        successor=services().successor(ref),
        form=DeleteForm(formdata=None),
        days=services().deleted_retention_days,
        refused=refused,
    )
    status = refused.status if refused else 200
    if not is_htmx():
        return Response(html, status=status)
    return respond(html, status=status, retarget="#dialog", reswap="innerHTML")


def _find(ref: PluginRef) -> tuple[PluginView, VersionView]:
    plugin = services().plugin(ref.name)
    found = next((version for version in plugin.versions if version.version == ref.version), None)
    if found is None:
        raise NotFound(f"{ref.name} {ref.version} is not installed. It may have been deleted already.")
    return plugin, found


def _deleted(ref: PluginRef, successor: str | None) -> AnyResponse:
    words = f"{ref.name} {ref.version} was deleted." + (f" {successor} answers now." if successor else "")
    undo = services().deleted_version(ref)
    if not is_htmx():
        undone = {"words": words, "name": ref.name, "version": ref.version, "install_id": undo and undo.install_id}
        flash(undone if undo else words, "deleted")  # type: ignore[arg-type]  # any JSON value can be flashed
        return redirect(url_for("pages.plugins"), 303)
    html = render_template("partials/notice.html", words=words, undo=undo)
    return respond(html, trigger={"plugins-changed": "", "close-dialog": ""})
