"""Arithmetic for Cadence."""

from cadence_sdk import register_plugin

from .plugin import MathPlugin

register_plugin(MathPlugin)
