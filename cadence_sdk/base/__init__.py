"""The classes a plugin derives from."""

from cadence_sdk.base.agent import BaseAgent
from cadence_sdk.base.loggable import Loggable
from cadence_sdk.base.metadata import ModelConfig, PluginMetadata
from cadence_sdk.base.plugin import BasePlugin

__all__ = ["BaseAgent", "BasePlugin", "Loggable", "ModelConfig", "PluginMetadata"]
