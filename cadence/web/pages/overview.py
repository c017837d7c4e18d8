"""The first page of a plugin: what it says of itself."""

from werkzeug.wrappers import Response as AnyResponse

from cadence.web.pages.plugin import tab_page


def plugin(name: str) -> AnyResponse:
    """``GET /plugins/<name>``: the page."""
    return tab_page(name, "overview")
