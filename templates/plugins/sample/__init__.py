"""Registers the plugin with the SDK."""

from cadence_sdk import register_plugin

from .plugin import GreeterPlugin

register_plugin(GreeterPlugin)
