"""What stands for a plugin in an address: any name but the words that mean something else there."""

from werkzeug.routing import BaseConverter

from cadence.intake.filename import RESERVED_NAMES


class PluginName(BaseConverter):
    """A plugin's name, so that ``GET /plugins/upload`` is a wrong method and not an unknown plugin."""

    regex = rf"(?!(?:{'|'.join(sorted(RESERVED_NAMES))})(?:/|$))[^/]+"
