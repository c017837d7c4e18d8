"""The page of one plugin: what it is, how it stands, and what it may."""

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import InvalidGrants, NotFound
from cadence.model import PluginRef
from cadence.web.downloads import lock_file
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import GrantsForm, RequestedForm
from cadence.web.pages.fragments import STOP_POLLING, conditional
from cadence.web.pages.grants import EnvField, Errors, as_json, as_texts, errors_of, unmet, with_requested
from cadence.web.pages.limits import LIMITS
from cadence.web.pages.services import services
from cadence.web.pages.standing import SECTION, Said, standing, standing_fields
from cadence.web.present import GrantsView

_PERMISSIONS = "#permissions"


def plugin(name: str) -> AnyResponse:
    """``GET /plugins/<name>``: the page."""
    return Response(_page(services().grants(name)))


def plugin_standing(name: str) -> AnyResponse:
    """``GET /plugins/<name>/standing``: the part that follows, 304 when it is as the page has it.

    Once the plugin is gone it says so, and asks no more.
    """
    try:
        html, tag = standing(name)
    except NotFound:
        gone = render_template("plugins/partials/gone.html", name=name, deleted=services().deleted(name))
        return respond(gone, status=STOP_POLLING)
    return conditional(html, tag)


def done(name: str, said: Said) -> AnyResponse:
    """Answer that something was done: to htmx with the part of the page that follows, else by leading back to it."""
    if is_htmx():
        return respond(standing(name, said)[0])
    flash(" ".join((said.title, *said.sentences)), said.kind)
    return redirect(url_for("pages.plugin", name=name, _anchor=said.place), 303)


def shown(name: str, said: Said, status: int = 200) -> AnyResponse:
    """Answer with the page or its part, and what was said in it: why nothing was done, or results to be read."""
    if is_htmx():
        return respond(standing(name, said)[0], status=status, retarget=SECTION, reswap="outerHTML")
    return Response(_page(services().grants(name), said=said), status=status)


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
        return respond(html, status=status, retarget=_PERMISSIONS, reswap="outerHTML show:top")
    return Response(_page(view, errors, texts), status=status)


def _page(
    view: GrantsView, errors: Errors | None = None, texts: dict[str, str] | None = None, said: Said | None = None
) -> str:
    fields = standing_fields(services().plugin(view.plugin_name), said)
    return render_template("plugins/plugin.html", **fields, **_fields(view, errors, texts))


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
