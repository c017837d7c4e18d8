"""The section of a plugin's packages: what its versions need, what that came to, and the lock of each."""

from werkzeug.wrappers import Response as AnyResponse

from cadence.model import PluginRef
from cadence.web.packages import Packages
from cadence.web.pages.plugin import tab_page
from cadence.web.pages.services import services
from cadence.web.present import PluginView


def packages(name: str) -> AnyResponse:
    """``GET /plugins/<name>/packages``: the page."""
    return tab_page(name, "packages", {"packages": _packages(services().plugin(name))})


def _packages(plugin: PluginView) -> dict[str, Packages]:
    return {one.version: services().packages(PluginRef(plugin.name, one.version)) for one in plugin.versions}
