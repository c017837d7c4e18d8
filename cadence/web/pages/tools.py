"""The section of a plugin's tools."""

from werkzeug.wrappers import Response as AnyResponse

from cadence.web.pages.plugin import tab_page


def tools(name: str) -> AnyResponse:
    """``GET /plugins/<name>/tools``: the page."""
    return tab_page(name, "tools")
