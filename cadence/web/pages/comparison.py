"""The page on which two installed versions of a plugin are compared. A plain form asks for them, by their addresses."""

from flask import Response, render_template, request
from markupsafe import Markup, escape

from cadence.comparison import Comparison, FileDifference
from cadence.web.pages.services import services
from cadence.web.present import PluginView


def compare(name: str) -> Response:
    """``GET /plugins/<name>/compare?from=&to=&file=``: what is different; without versions, those that suggest it.

    :raises NotFound: when one of them is not installed, or none has the file.
    """
    plugin = services().plugin(name)
    old, new = _chosen(plugin)
    comparison: Comparison | None = None
    file: FileDifference | None = None
    if old and new and old != new:
        comparison = services().compare(name, old, new)
        path = request.args.get("file", "")
        file = services().file_difference(name, old, new, path) if path else None
    return Response(
        render_template("plugins/compare.html", plugin=plugin, old=old, new=new, comparison=comparison, file=file)
    )


def names_as_code(sentence: str) -> Markup:
    """A sentence of a comparison as HTML: what stands between backquotes in it is set as code."""
    parts = map(escape, sentence.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _chosen(plugin: PluginView) -> tuple[str, str]:
    """The versions asked for; where one is not, the active one is compared with the next below it, or above."""
    numbers = [version.version for version in plugin.versions]
    new = request.args.get("to", "").strip() or plugin.version
    older = [*numbers[numbers.index(new) + 1 :], *reversed(numbers[: numbers.index(new)])] if new in numbers else []
    return request.args.get("from", "").strip() or (older[0] if older else ""), new
