"""A sensor that can break, for Cadence."""

from cadence_sdk import register_plugin

from .plugin import SensorPlugin

register_plugin(SensorPlugin)
