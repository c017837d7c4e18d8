"""Waiting, for Cadence."""

from cadence_sdk import register_plugin

from .plugin import ParallelPlugin

register_plugin(ParallelPlugin)
