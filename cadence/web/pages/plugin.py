"""The page of one plugin: what it is, and what it may."""

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import InvalidGrants
from cadence.model import PluginRef
from cadence.web.downloads import lock_file
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import GrantsForm, RequestedForm
from cadence.web.pages.grants import EnvField, Errors, as_json, as_texts, errors_of, unmet, with_requested
from cadence.web.pages.limits import LIMITS
from cadence.web.pages.services import services
from cadence.web.present import GrantsView

_SECTION = "#permissions"


def plugin(name: str) -> AnyResponse:
    """``GET /plugins/<name>``: the page."""
    return Response(_page(services().grants(name)))


def lock(name: str, version: str) -> AnyResponse:
    """``GET /plugins/<name>/<version>/lock``: the packages of a version with their hashes, to keep."""
    ref = PluginRef(name, version)
    return lock_file(ref, services().packages(ref))


def grant(name: str) -> AnyResponse:
    """``POST /plugins/<name>/grants``: put what the form says in the place of the present grants."""
    form = GrantsForm()
    form.require_valid()
    shown = services().grants(name).grants
    texts = {field: form[field].data or "" for field in as_texts(shown)}
    env = {
        known: EnvField(request.form.get(f"env-{known}", ""), known in request.form.getlist("env_remove"))
        for known in shown.env
    }
    new_name, new_value = request.form.get("env_name", "").strip(), request.form.get("env_value", "")
    added = [(new_name, new_value)] if new_name or new_value else []
    return _granted(name, as_json(texts, shown, env, added), texts, new_name)


def grant_requested(name: str) -> AnyResponse:
    """``POST /plugins/<name>/grants/requested``: grant what the plugin asks for.

    What was shown comes with the request and is what is granted: the plugin may ask for more by now.
    """
    RequestedForm().require_valid()
    shown = services().grants(name).grants
    raw = with_requested(shown, request.form.getlist("network"), request.form.get("memory_mb", ""))
    return _granted(name, raw, as_texts(shown), "")


def _granted(name: str, raw: dict[str, object], texts: dict[str, str], new_name: str) -> AnyResponse:
    try:
        view = services().grant(name, raw)
    except InvalidGrants as error:
        return _refused(services().grants(name), errors_of(error), {**texts, "env_name": new_name}, error.status)
    if is_htmx():
        return respond(_section(view, saved=True))
    flash(f"The permissions of {name} were saved. {view.message}")
    return redirect(url_for("pages.plugin", name=name), 303)


def _refused(view: GrantsView, errors: Errors, texts: dict[str, str], status: int) -> Response:
    """The form again as it was filled in, but for secrets, with what is wrong at each field."""
    if is_htmx():
        html = _section(view, errors, texts)
        return respond(html, status=status, retarget=_SECTION, reswap="outerHTML show:top")
    return Response(_page(view, errors, texts), status=status)


def _page(view: GrantsView, errors: Errors | None = None, texts: dict[str, str] | None = None) -> str:
    plugin = services().plugin(view.plugin_name)
    refs = {version.version: PluginRef(plugin.name, version.version) for version in plugin.versions}
    packages = {version: services().packages(ref) for version, ref in refs.items()}
    return render_template("plugins/plugin.html", plugin=plugin, packages=packages, **_fields(view, errors, texts))


def _section(
    view: GrantsView, errors: Errors | None = None, texts: dict[str, str] | None = None, *, saved: bool = False
) -> str:
    return render_template("plugins/partials/permissions.html", saved=saved, **_fields(view, errors, texts))


def _fields(view: GrantsView, errors: Errors | None, texts: dict[str, str] | None) -> dict[str, object]:
    texts = as_texts(view.grants) if texts is None else texts
    return {
        "view": view,
        "errors": errors or {},
        "form": GrantsForm(formdata=MultiDict(texts)),
        "new_env_name": texts.get("env_name", ""),
        "unmet": unmet(view),
        "requested_form": RequestedForm(formdata=None),
        "limits": LIMITS,
        "default_limits": services().default_limits,
    }
