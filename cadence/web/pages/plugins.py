"""The management page: the list of plugins, deletion, reload."""

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import NotFound
from cadence.model import PluginRef
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import DeleteForm, ReloadForm, UploadForm
from cadence.web.pages.fragments import conditional, tag_of
from cadence.web.pages.sample import SAMPLE_ARCHIVE, sample_archive
from cadence.web.pages.services import services
from cadence.web.pages.standing import essence
from cadence.web.present import PluginView, ReloadView, VersionView


def home() -> AnyResponse:
    """``GET /``: on to the first of the areas."""
    return redirect(url_for("pages.plugins"))


def plugins() -> AnyResponse:
    """``GET /plugins``: the management page."""
    return _page()


def plugin_list() -> AnyResponse:
    """``GET /plugins/list``: the list alone, 304 when it is as the page has it."""
    fields = _listed()
    return conditional(render_template("plugins/partials/list.html", **fields), fields["tag"])


def delete(name: str, version: str) -> AnyResponse:
    """``GET /plugins/<name>/<version>/delete`` asks, ``POST`` does it."""
    ref = PluginRef(name, version)
    form = DeleteForm()
    if request.method == "POST":
        form.require_valid()
        return _deleted(ref, services().delete(ref))
    plugin, doomed = _find(ref)
    template = "plugins/partials/delete.html" if is_htmx() else "plugins/delete.html"
    days = services().deleted_retention_days
    html = render_template(template, plugin=plugin, doomed=doomed, form=form, days=days)
    return respond(html) if is_htmx() else Response(html)


def reload() -> AnyResponse:
    """``POST /plugins/reload``: load every plugin anew and show how it went."""
    ReloadForm().require_valid()
    result = services().reload()
    if not is_htmx():
        return _page(result)
    html = render_template("plugins/partials/reloaded.html", reloaded=result)
    return respond(html, trigger="plugins-changed")


def sample() -> Response:
    """``GET /plugins/sample.zip``: a first plugin, ready to be uploaded."""
    response = Response(sample_archive(), mimetype="application/zip")
    response.headers.set("Content-Disposition", "attachment", filename=SAMPLE_ARCHIVE)
    return response


def _page(reloaded: ReloadView | None = None) -> Response:
    html = render_template(
        "plugins/page.html",
        **_listed(),
        installs=services().recent_installs(),
        reloaded=reloaded,
        upload_form=UploadForm(formdata=None),
        reload_form=ReloadForm(formdata=None),
        max_upload_bytes=services().max_upload_bytes,
    )
    return Response(html)


def _listed() -> dict[str, Any]:
    """What the list shows. What is counted and checked all the time is no part of its tag."""
    views, deleted = services().plugins(), services().deleted()
    return {"plugins": views, "deleted": deleted, "tag": tag_of((list(map(essence, views)), deleted))}


def _find(ref: PluginRef) -> tuple[PluginView, VersionView]:
    for plugin in services().plugins():
        for version in plugin.versions:
            if (plugin.name, version.version) == (ref.name, ref.version):
                return plugin, version
    raise NotFound(f"{ref.name} {ref.version} is not installed. It may have been deleted already.")


def _deleted(ref: PluginRef, successor: str | None) -> AnyResponse:
    words = f"{ref.name} {ref.version} was deleted." + (f" {successor} answers now." if successor else "")
    undo = services().deleted_version(ref)
    if not is_htmx():
        flash({"words": words, "name": ref.name, "version": ref.version} if undo else words, "deleted")  # type: ignore[arg-type]  # any JSON value can be flashed
        return redirect(url_for("pages.plugins"), 303)
    html = render_template("partials/notice.html", words=words, undo=undo)
    return respond(html, trigger={"plugins-changed": "", "close-dialog": ""})
