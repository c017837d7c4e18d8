"""Uploads, and the installs they become."""

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from msgspec import Struct
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import CadenceError, NoFileProvided, NotFound
from cadence.model import CheckOptions, InstallOptions, InstallState, Upload
from cadence.web.htmx import is_htmx, respond
from cadence.web.install_views import InstallView
from cadence.web.pages.forms import CancelForm, ConfirmForm, UploadForm
from cadence.web.pages.fragments import STOP_POLLING, conditional, tag_of
from cadence.web.pages.problem import problem_of
from cadence.web.pages.services import services
from cadence.web.received import uploads_of

_MAX_LINE = 10**9
PAGE_INSTALLS = 25
"""So many installs are on a page of them."""

#: Of so many of the latest the faults are seen at once.
_OPENED = 3

STATE_LABELS = {
    InstallState.RUNNING.value: "Running",
    InstallState.SUCCEEDED.value: "Succeeded",
    InstallState.FAILED.value: "Failed",
    InstallState.CANCELLED.value: "Cancelled",
    InstallState.INTERRUPTED.value: "Interrupted",
}


def upload() -> AnyResponse:
    """``POST /plugins/upload``: rows of the installs for htmx, else on to where they can be followed."""
    return _taken(check=False)


def check() -> AnyResponse:
    """``POST /plugins/validate``: as an upload, and nothing is installed."""
    return _taken(check=True)


def install(install_id: str) -> AnyResponse:
    """``GET /installs/<id>``: a page, or the row alone for htmx, which asks until the install is over."""
    view = services().install(install_id)
    if is_htmx():
        return _row_fragment(view)
    if view is None:
        raise NotFound("The server does not know this install. Installs are kept for a limited time.")
    return Response(render_template("installs/page.html", install=view, tag=tag_of(view), log=_log_html(install_id, 0)))


def log(install_id: str) -> AnyResponse:
    """``GET /installs/<id>/log?after=N``: the lines after one for htmx, which asks until there will be no more."""
    if not is_htmx():
        return redirect(url_for("pages.install", install_id=install_id))
    after = request.args.get("after", 0, type=int)
    html = _log_html(install_id, max(0, min(after, _MAX_LINE)))
    return respond(html) if html is not None else Response(status=204)


def cancel(install_id: str) -> AnyResponse:
    """``POST /installs/<id>/cancel``: end it, and show it as it then stands."""
    CancelForm().require_valid()
    view = services().cancel(install_id)
    if is_htmx():
        return respond(install_row(view))
    return redirect(url_for("pages.install", install_id=install_id), 303)


def confirm(install_id: str) -> AnyResponse:
    """``POST /installs/<id>/confirm``: install what a check looked at; the row of that install takes its place."""
    form = ConfirmForm()
    form.require_valid()
    received, options = services().checked(install_id, force_overwrite=True if form.force_overwrite.data else None)
    confirmed_id = services().submit(received, options)
    view = services().install(confirmed_id) if is_htmx() else None
    if view is None:
        return redirect(url_for("pages.install", install_id=confirmed_id), 303)
    return respond(install_row(view))


def retry(install_id: str) -> AnyResponse:
    """``POST /installs/<id>/retry``: do once more what did not succeed; its row comes above the old one."""
    form = ConfirmForm()
    form.require_valid()
    received, options = services().again(install_id, force_overwrite=True if form.force_overwrite.data else None)
    again_id = services().submit(received, options)
    if not is_htmx():
        return redirect(url_for("pages.install", install_id=again_id), 303)
    views = [view for one in (again_id, install_id) if (view := services().install(one)) is not None]
    return respond("\n".join(install_row(view, opened=view.poll) for view in views))


def installs() -> AnyResponse:
    """``GET /installs?plugin=&state=&after=``: every install that is kept, page by page."""
    args = request.args
    name, after = args.get("plugin", "").strip() or None, args.get("after") or None
    state = next((one for one in InstallState if one == args.get("state")), None)
    found = list(services().installs(PAGE_INSTALLS + 1, after=after, name=name, state=state))
    views = found[:PAGE_INSTALLS]
    more = len(found) > PAGE_INSTALLS
    here: dict[str, Any] = {"plugin": name, "state": state.value if state else None}
    html = render_template(
        "installs/list.html",
        rows_of_installs=[_Row(view, tag_of(view)) for view in views],
        next_address=url_for("pages.installs", after=views[-1].id, **here) if more else None,
        states=STATE_LABELS,
        chosen_state=state.value if state else "",
        plugin_name=name,
        after=after,
    )
    return Response(html)


def live_installs() -> AnyResponse:
    """``GET /installs/live``: the latest installs and what is coming in, 304 when the page has it so."""
    if not is_htmx():
        return redirect(url_for("pages.installs"))
    fields = installs_fields()
    return conditional(lambda: render_template("installs/partials/live.html", **fields), fields["installs_tag"])


class _Row(Struct, frozen=True):
    """An install of a list, its tag, and whether its details are to be seen at once."""

    install: InstallView
    tag: str
    opened: bool = False


def installs_fields() -> dict[str, Any]:
    """What the template of the live list takes."""
    views, incoming = services().recent_installs(), services().incoming()
    rows = [
        _Row(view, tag_of(view), number < _OPENED and view.state is InstallState.FAILED)
        for number, view in enumerate(views)
    ]
    return {
        "rows_of_installs": rows,
        "incoming": incoming,
        "busy": bool(incoming) or any(view.poll for view in views),
        "installs_tag": tag_of(([(row.install.id, row.tag) for row in rows], list(incoming))),
    }


def install_row(view: InstallView, *, opened: bool = True) -> str:
    """Return the HTML of one install's row; ``opened`` says whether its details are to be seen at once."""
    return render_template("installs/partials/row.html", install=view, opened=opened, tag=tag_of(view))


def _log_html(install_id: str, after: int) -> str | None:
    """The lines after one, and what asks for the next; None where there is nothing new yet."""
    try:
        state, lines = services().install_log(install_id, after)
    except NotFound:
        return ""
    runs = state is InstallState.RUNNING
    if runs and not lines and after:
        return None
    last = lines[-1].n if lines else after
    return render_template(
        "installs/partials/log_lines.html", install_id=install_id, lines=lines, last=last, runs=runs, after=after
    )


def _taken(*, check: bool) -> AnyResponse:
    if is_htmx():
        return _upload_fragment(check=check)
    uploads, options = _received(check=check)
    if len(uploads) == 1:
        return redirect(url_for("pages.install", install_id=services().submit(uploads[0], options)), 303)
    for item in uploads:
        _submit_or_flash(item, options)
    return redirect(url_for("pages.plugins"), 303)


def _received(*, check: bool) -> tuple[list[Upload], InstallOptions]:
    form = UploadForm()
    form.require_valid()
    overwrite, upgrade = bool(form.force_overwrite.data), bool(form.upgrade.data)
    options = InstallOptions(overwrite, upgrade=upgrade)
    if check:
        options = CheckOptions(overwrite, upgrade=upgrade, trial=bool(form.trial.data))
    try:
        return uploads_of(request), options
    except NoFileProvided:
        raise NoFileProvided("Choose at least one plugin archive, named like math_plugin-1.0.0.zip.") from None


def _submit_or_flash(item: Upload, options: InstallOptions) -> None:
    """One refusal among several files must not keep the others from being installed."""
    try:
        services().submit(item, options)
    except CadenceError as error:
        problem = problem_of(error)
        flash(" ".join([f"{item.filename}: {problem.title}.", *problem.sentences]), "failed")


def _upload_fragment(*, check: bool) -> Response:
    """The rows of what was uploaded. A refusal is a row too: it stands where the file's progress stood."""
    try:
        uploads, options = _received(check=check)
    except CadenceError as error:
        return respond(_refused_row(error), status=error.status)
    return respond("\n".join(_submitted_row(item, options) for item in uploads))


def _submitted_row(item: Upload, options: InstallOptions) -> str:
    try:
        view = services().install(services().submit(item, options))
    except CadenceError as error:
        return _refused_row(error, item.filename)
    return install_row(view) if view else _refused_row(NotFound("The install was not kept."), item.filename)


def _refused_row(error: CadenceError, filename: str | None = None) -> str:
    return render_template("installs/partials/refused.html", problem=problem_of(error), filename=filename)


def _row_fragment(view: InstallView | None) -> Response:
    if view is None:
        error = NotFound("The server does not know this install any more. Upload the file again.")
        return respond(_refused_row(error), status=STOP_POLLING)
    return conditional(install_row(view), tag_of(view), trigger=None if view.poll else "plugins-changed")
