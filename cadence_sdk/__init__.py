"""What a Cadence plugin imports: base classes, the tool decorator, the registry.

Names are imported when they are first used (PEP 562): a process that only needs a part, such as the server, which
reads :mod:`cadence_sdk._runtime.report`, does not pay the second that LangChain takes to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cadence_sdk.base.agent import BaseAgent
    from cadence_sdk.base.loggable import Loggable
    from cadence_sdk.base.metadata import ModelConfig, PluginMetadata
    from cadence_sdk.base.plugin import BasePlugin
    from cadence_sdk.decorators import list_schema, object_schema, tool
    from cadence_sdk.examples import example
    from cadence_sdk.registry import (
        PluginContract,
        PluginRegistry,
        discover_plugins,
        get_plugin_registry,
        register_plugin,
    )
    from cadence_sdk.types.state import AgentState
    from cadence_sdk.utils.validation import validate_plugin_structure, validate_plugin_structure_shallow

__version__ = "1.4.0"

__all__ = [
    "AgentState",
    "BaseAgent",
    "BasePlugin",
    "Loggable",
    "ModelConfig",
    "PluginContract",
    "PluginMetadata",
    "PluginRegistry",
    "discover_plugins",
    "example",
    "get_plugin_registry",
    "list_schema",
    "object_schema",
    "register_plugin",
    "tool",
    "validate_plugin_structure",
    "validate_plugin_structure_shallow",
]

_HOMES = {
    "AgentState": "cadence_sdk.types.state",
    "BaseAgent": "cadence_sdk.base.agent",
    "BasePlugin": "cadence_sdk.base.plugin",
    "Loggable": "cadence_sdk.base.loggable",
    "ModelConfig": "cadence_sdk.base.metadata",
    "PluginContract": "cadence_sdk.registry",
    "PluginMetadata": "cadence_sdk.base.metadata",
    "PluginRegistry": "cadence_sdk.registry",
    "discover_plugins": "cadence_sdk.registry",
    "example": "cadence_sdk.examples",
    "get_plugin_registry": "cadence_sdk.registry",
    "list_schema": "cadence_sdk.decorators",
    "object_schema": "cadence_sdk.decorators",
    "register_plugin": "cadence_sdk.registry",
    "tool": "cadence_sdk.decorators",
    "validate_plugin_structure": "cadence_sdk.utils.validation",
    "validate_plugin_structure_shallow": "cadence_sdk.utils.validation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
