"""Kept for plugins written against the 1.x SDK, which import validation from here."""

from cadence_sdk.utils.validation import validate_plugin_structure, validate_plugin_structure_shallow

__all__ = ["validate_plugin_structure", "validate_plugin_structure_shallow"]
