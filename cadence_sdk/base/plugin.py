"""The plugin class: what is registered."""

from abc import ABC, abstractmethod
from typing import Any

from cadence_sdk.base.agent import BaseAgent
from cadence_sdk.base.metadata import PluginMetadata


class BasePlugin(ABC):
    """A plugin: says what it is and makes its agent. It is never instantiated; all its methods are static."""

    @staticmethod
    @abstractmethod
    def get_metadata() -> PluginMetadata:
        """What the plugin says about itself."""

    @staticmethod
    @abstractmethod
    def create_agent() -> BaseAgent:
        """A new agent."""

    @staticmethod
    def validate_dependencies() -> list[str]:
        """What the plugin misses to work, a sentence each; an empty list when it has everything."""
        return []

    @staticmethod
    def health_check() -> dict[str, Any]:
        """Whether the plugin can work now.

        :returns: ``healthy`` (bool) and, as wanted, ``details``, ``checks`` (a name to its outcome) and ``error``.
        """
        return {"healthy": True, "details": "The plugin has no health check of its own"}
