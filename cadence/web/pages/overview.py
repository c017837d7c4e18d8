"""The first page of a plugin: what it says of itself, and how to begin with it."""

from flask import Response
from werkzeug.wrappers import Response as AnyResponse

from cadence.model import PluginRef
from cadence.web.downloads import archive_file
from cadence.web.overview import Overview
from cadence.web.pages.overview_services import overview_services
from cadence.web.pages.plugin import tab_page
from cadence.web.readme import as_html

_MODEL_LABELS = {"provider": "Provider", "model": "Model", "temperature": "Temperature", "max_tokens": "Longest answer"}


def plugin(name: str) -> AnyResponse:
    """``GET /plugins/<name>``: the page."""
    overview = overview_services().overview(name)
    readme = as_html(overview.readme) if overview.readme else None
    return tab_page(name, "overview", {"overview": overview, "model": model_words(overview), "readme": readme})


def archive(name: str, version: str) -> Response:
    """``GET /plugins/<name>/<version>/archive``: what was uploaded, byte for byte."""
    ref = PluginRef(name, version)
    return archive_file(ref, overview_services().archive(ref))


def model_words(overview: Overview) -> list[tuple[str, str]]:
    """What a plugin asks of a language model, as pairs of a label and a value; it may have written anything there."""
    pairs = ((_MODEL_LABELS.get(str(key), str(key)), value) for key, value in overview.model.items())
    return [(label, f"{value} tokens" if label == "Longest answer" else str(value)) for label, value in pairs][:12]
