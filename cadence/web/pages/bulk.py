"""What is done to several plugins that were chosen in the list."""

from flask import Response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import CadenceError, InvalidRequest, NotFound
from cadence.model import PluginRef
from cadence.web.bulk import MOST_AT_ONCE, BulkAction, BulkView, require_deletable
from cadence.web.htmx import is_htmx, respond
from cadence.web.pages.forms import DeleteForm, TokenForm
from cadence.web.pages.plugins import plugins_page
from cadence.web.pages.problem import problem_of
from cadence.web.pages.services import services
from cadence.web.present import PluginView

_RESULT = "#bulk-result"


def switch_selected(action: str) -> AnyResponse:
    """``POST /plugins/chosen.d/reload`` (``disable``, ``enable``): do it to each plugin of the form."""
    TokenForm().require_valid()
    try:
        return _done(services().switch_all(BulkAction(action), _chosen()))
    except CadenceError as error:
        return _refused(error)


def delete_selected() -> AnyResponse:
    """``GET /plugins/chosen.d/delete?plugin=`` asks, and names all versions; ``POST`` deletes these and no others."""
    form = DeleteForm()
    try:
        if request.method == "POST":
            form.require_valid()
            return _done(services().delete_all(_doomed()))
        plugins = _plugins(_chosen())
        require_deletable(sum(len(plugin.versions) for plugin in plugins))
    except CadenceError as error:
        return _refused(error)
    template = "plugins/partials/delete_selected.html" if is_htmx() else "plugins/delete_selected.html"
    html = render_template(template, plugins=plugins, form=form, days=services().deleted_retention_days)
    return respond(html) if is_htmx() else Response(html)


def _chosen() -> list[str]:
    """The names that are chosen, each once.

    :raises InvalidRequest: when there is none, or more than can be.
    """
    names = list(dict.fromkeys(request.values.getlist("plugin")))
    if not names:
        raise InvalidRequest("Choose the plugins first.", message="No plugin chosen")
    if len(names) > MOST_AT_ONCE:
        raise InvalidRequest(f"Choose at most {MOST_AT_ONCE} at once, not {len(names)}.", message="Too many chosen")
    return names


def _doomed() -> dict[PluginRef, str]:
    """The versions that the confirmation named, each with its install: ``name version install``, without blanks."""
    named = [text.split(" ") for text in request.form.getlist("version")]
    return {PluginRef(*text[:2]): text[2] for text in named if len(text) == 3}


def _plugins(names: list[str]) -> list[PluginView]:
    """Those that are still there."""
    found = []
    for name in names:
        try:
            found.append(services().plugin(name))
        except NotFound:
            continue
    if not found:
        raise NotFound("None of them is installed any more.")
    return found


def _done(result: BulkView) -> AnyResponse:
    if not is_htmx():
        return plugins_page(bulk=result)
    html = render_template("plugins/partials/bulk.html", bulk=result)
    events = {"plugins-changed": "", "close-dialog": ""}
    return respond(html, trigger=events, retarget=_RESULT, reswap="innerHTML")


def _refused(error: CadenceError) -> AnyResponse:
    """Why nothing was done, where the result would stand."""
    problem = problem_of(error)
    if not is_htmx():
        return plugins_page(problem.status, problem=problem)
    html = render_template("partials/problem.html", problem=problem)
    return respond(html, status=problem.status, retarget=_RESULT, reswap="innerHTML", trigger="close-dialog")
