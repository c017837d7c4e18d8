"""The section of a plugin's permissions: what it may, what it gets and takes, and the form that changes it."""

from flask import Response, flash, redirect, render_template, request, url_for
from msgspec import Struct, structs
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import InvalidGrants, NotFound
from cadence.expectation import Outdated
from cadence.intake.filename import require_name
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import GrantsForm, RequestedForm
from cadence.web.pages.fragments import STOP_POLLING, conditional, tag_of
from cadence.web.pages.grant_conflict import Environment, conflict
from cadence.web.pages.grants import EnvField, Errors, as_json, as_texts, errors_of, unmet, with_requested
from cadence.web.pages.limits import LIMITS
from cadence.web.pages.plugin import tab_page
from cadence.web.pages.services import services
from cadence.web.pages.usage_services import usage_services
from cadence.web.present import GrantsShown, GrantsView
from cadence.web.usage import UsageView

_PERMISSIONS = "#permissions"
#: Beside each field stands hidden what it held before anybody typed.
_SEEN = "seen-"


class _Filled(Struct, frozen=True):
    """How the form is filled in where it is not simply what is granted: what was typed, with what is wrong with it.

    ``seen`` and ``revision`` are those of the form that was sent, None for those of what is granted now.
    """

    texts: dict[str, str]
    errors: Errors = {}
    sentences: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    seen: dict[str, str] | None = None
    revision: int | None = None


def permissions(name: str) -> AnyResponse:
    """``GET /plugins/<name>/permissions``: the page, also of a name that is not installed yet.

    :raises InvalidRequest: when no plugin can have that name.
    """
    view = services().grants(name, ahead=True)
    if not view.installed:
        require_name(name)
    return _page(view)


def usage(name: str) -> AnyResponse:
    """``GET /plugins/<name>/usage``: what it takes of each limit, 304 while that is as the page has it."""
    try:
        view = usage_services().usage(name)
    except NotFound:
        return respond("", status=STOP_POLLING)
    fields = _usage_fields(view)
    return conditional(
        lambda: render_template("plugins/partials/usage.html", fragment=True, limits=LIMITS, **fields),
        str(fields["usage_tag"]),
    )


def grant(name: str) -> AnyResponse:
    """``POST /plugins/<name>/grants``: put what the form says in the place of the grants that it was made from."""
    form = GrantsForm()
    form.require_valid()
    view = services().grants(name, ahead=bool(form.ahead.data))
    shown = view.grants
    texts = {field: form[field].data or "" for field in as_texts(shown)}
    removed = request.form.getlist("env_remove")
    env = {known: EnvField(request.form.get(f"env-{known}", ""), known in removed) for known in shown.env}
    new_name, new_value = request.form.get("env_name", "").strip(), request.form.get("env_value", "")
    added = [(new_name, new_value)] if new_name or new_value else []
    revision = _revision(form.revision.data)
    filled = _Filled({**texts, "env_name": new_name}, removed=tuple(removed), seen=_seen(), revision=revision)
    try:
        return _granted(name, as_json(texts, shown, env, added), revision if revision is not None else view.revision)
    except InvalidGrants as error:
        return _refused(_again(view), structs.replace(filled, errors=errors_of(error)), error.status)
    except Outdated as error:
        present = _again(view)
        environment = _environment(present.grants, removed, new_name)
        return _refused(present, _merged(filled, as_texts(present.grants), environment), error.status)


def grant_requested(name: str) -> AnyResponse:
    """``POST /plugins/<name>/grants/requested``: grant what the plugin asks for.

    What was shown comes with the request and is what is granted: the plugin may ask for more by now.
    """
    form = RequestedForm()
    form.require_valid()
    view = services().grants(name)
    raw = with_requested(view.grants, request.form.getlist("network"), request.form.get("memory_mb", ""))
    revision = _revision(form.revision.data)
    try:
        return _granted(name, raw, revision if revision is not None else view.revision)
    except InvalidGrants as error:
        return _refused(_again(view), _Filled(as_texts(view.grants), errors=errors_of(error)), error.status)
    except Outdated as error:
        present = _again(view)
        sentences = ("Somebody else changed them since you looked. This is what holds now.",)
        return _refused(present, _Filled(as_texts(present.grants), sentences=sentences), error.status)


def _granted(name: str, raw: dict[str, object], revision: int) -> AnyResponse:
    view = services().grant(name, raw, revision)
    if is_htmx():
        return respond(_section(view, saved=True))
    flash(f"The permissions of {name} were saved. {view.message}")
    return redirect(url_for("pages.permissions", name=name), 303)


def _again(view: GrantsView) -> GrantsView:
    """The grants as they are now."""
    return services().grants(view.plugin_name, ahead=not view.installed)


def _merged(filled: _Filled, present: dict[str, str], environment: Environment) -> _Filled:
    """The form with what two operators want; sent once more, it is about what is granted now."""
    found = conflict(filled.texts, filled.seen or {}, present, environment)
    texts = {**found.texts, "env_name": filled.texts["env_name"]}
    return _Filled(texts, sentences=found.sentences, removed=found.removed)


def _environment(present: GrantsShown, removed: list[str], new_name: str) -> Environment:
    """What the form that was sent knew of the environment, and what is set in it now."""
    fields = {field.removeprefix("env-"): text for field, text in request.form.items() if field.startswith("env-")}
    typed = [name for name, text in fields.items() if text]
    typed += [new_name] if new_name and request.form.get("env_value") else []
    return Environment(tuple(fields), tuple(present.env), typed, removed)


def _seen() -> dict[str, str]:
    return {field.removeprefix(_SEEN): text for field, text in request.form.items() if field.startswith(_SEEN)}


def _revision(text: str | None) -> int | None:
    """The revision that the form was made from; None where it does not say."""
    text = text or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _refused(view: GrantsView, filled: _Filled, status: int) -> Response:
    """The form again as it was filled in, but for secrets, with what is wrong."""
    if is_htmx():
        html = _section(view, filled)
        return respond(html, status=status, retarget=_PERMISSIONS, reswap="outerHTML show:top")
    return _page(view, filled, status)


def _page(view: GrantsView, filled: _Filled | None = None, status: int = 200) -> Response:
    fields = _fields(view, filled)
    if view.installed:
        return tab_page(view.plugin_name, "permissions", fields, status=status)
    return Response(render_template("plugins/permissions_ahead.html", **fields), status=status)


def _section(view: GrantsView, filled: _Filled | None = None, *, saved: bool = False) -> str:
    return render_template("plugins/partials/permissions.html", saved=saved, **_fields(view, filled))


def _fields(view: GrantsView, filled: _Filled | None) -> dict[str, object]:
    granted = as_texts(view.grants)
    filled = filled or _Filled(granted)
    usage = usage_services().usage(view.plugin_name) if view.installed else None
    return {
        "view": view,
        "filled": filled,
        "form": GrantsForm(formdata=MultiDict(filled.texts)),
        "seen": granted if filled.seen is None else filled.seen,
        "revision": view.revision if filled.revision is None else filled.revision,
        "unmet": unmet(view),
        "requested_form": RequestedForm(formdata=None),
        "limits": LIMITS,
        "default_limits": services().default_limits,
        **(_usage_fields(usage) if usage else {"usage": None}),
    }


def _usage_fields(view: UsageView) -> dict[str, object]:
    return {
        "usage": view,
        "uses": {use.limit: use for use in view.limits},
        "usage_tag": tag_of(structs.replace(view, at=None)),
    }
