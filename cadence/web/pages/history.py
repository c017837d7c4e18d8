"""The section that tells what happened to a plugin, and who had it happen."""

from werkzeug.wrappers import Response as AnyResponse

from cadence.web.pages.plugin import tab_page


def history(name: str) -> AnyResponse:
    """``GET /plugins/<name>/history``: the page."""
    return tab_page(name, "history")
