"""The section of a plugin's permissions: what it may, what it gets, and the form that changes both."""

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import InvalidGrants
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import GrantsForm, RequestedForm
from cadence.web.pages.grants import EnvField, Errors, as_json, as_texts, errors_of, unmet, with_requested
from cadence.web.pages.limits import LIMITS
from cadence.web.pages.plugin import tab_page
from cadence.web.pages.services import services
from cadence.web.present import GrantsView

_PERMISSIONS = "#permissions"


def permissions(name: str) -> AnyResponse:
    """``GET /plugins/<name>/permissions``: the page."""
    return _page(services().grants(name))


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
    return redirect(url_for("pages.permissions", name=name), 303)


def _refused(view: GrantsView, errors: Errors, texts: dict[str, str], status: int) -> Response:
    """The form again as it was filled in, but for secrets, with what is wrong at each field."""
    if is_htmx():
        html = _section(view, errors, texts)
        return respond(html, status=status, retarget=_PERMISSIONS, reswap="outerHTML show:top")
    return _page(view, errors, texts, status)


def _page(
    view: GrantsView, errors: Errors | None = None, texts: dict[str, str] | None = None, status: int = 200
) -> Response:
    return tab_page(view.plugin_name, "permissions", _fields(view, errors, texts), status=status)


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
