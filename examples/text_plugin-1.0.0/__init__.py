"""Text for Cadence."""

from cadence_sdk import register_plugin

from .plugin import TextPlugin

register_plugin(TextPlugin)
