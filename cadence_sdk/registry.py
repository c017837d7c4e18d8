"""The registry: which plugin classes have made themselves known in this process."""

from collections.abc import Iterator
from typing import Any

from packaging.version import InvalidVersion, Version

from cadence_sdk.base.agent import BaseAgent
from cadence_sdk.base.loggable import Loggable
from cadence_sdk.base.metadata import PluginMetadata
from cadence_sdk.base.plugin import BasePlugin
from cadence_sdk.utils.validation import class_errors


class RegistrationError(ValueError):
    """What was registered is no plugin class; ``sentences`` say why, one each."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("Plugin registration failed: " + " ".join(sentences))


class PluginContract:
    """A registered plugin class, with its metadata read once."""

    def __init__(self, plugin_class: type[BasePlugin]) -> None:
        self.plugin_class = plugin_class
        self._metadata: PluginMetadata | None = None

    def get_metadata(self) -> PluginMetadata:
        """The plugin's metadata, asked for once."""
        if self._metadata is None:
            self._metadata = self.plugin_class.get_metadata()
        return self._metadata

    @property
    def name(self) -> str:
        """The name in the metadata."""
        return self.get_metadata().name

    @property
    def version(self) -> str:
        """The version in the metadata."""
        return self.get_metadata().version

    def create_agent(self) -> BaseAgent:
        """A new agent."""
        return self.plugin_class.create_agent()

    def validate_dependencies(self) -> list[str]:
        """What the plugin misses, a sentence each."""
        return self.plugin_class.validate_dependencies()

    def health_check(self) -> dict[str, Any]:
        """The outcome of the plugin's health check."""
        return self.plugin_class.health_check()

    def __repr__(self) -> str:
        return f"PluginContract({self.plugin_class.__module__}.{self.plugin_class.__qualname__})"


class PluginRegistry(Loggable):
    """Plugin classes in the order they were registered. Registering a class again changes nothing.

    Registering runs no code of the plugin: its metadata is read when someone asks for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._contracts: dict[type[BasePlugin], PluginContract] = {}

    def register(self, plugin_class: type[BasePlugin]) -> None:
        """Add a plugin class.

        :raises RegistrationError: a :class:`ValueError`, when it is no plugin class.
        """
        if errors := class_errors(plugin_class):
            raise RegistrationError(errors)
        self._contracts.setdefault(plugin_class, PluginContract(plugin_class))

    def unregister(self, plugin_name: str) -> bool:
        """Remove every plugin of this metadata name; tells whether there was one."""
        found = [contract.plugin_class for contract in self if contract.name == plugin_name]
        for plugin_class in found:
            del self._contracts[plugin_class]
        return bool(found)

    def clear_all(self) -> None:
        """Forget every plugin."""
        self._contracts.clear()

    def get_plugin(self, plugin_name: str) -> PluginContract | None:
        """The plugin of this metadata name, the highest version of it; ``None`` when there is none."""
        found = [contract for contract in self if contract.name == plugin_name]
        return max(found, key=_version_key) if found else None

    def list_registered_plugins(self) -> list[PluginContract]:
        """All plugins, in the order of their registration."""
        return list(self._contracts.values())

    def list_plugin_names(self) -> list[str]:
        """The metadata names of all plugins, each once."""
        return list(dict.fromkeys(contract.name for contract in self))

    def list_plugins_by_capability(self, capability: str) -> list[PluginContract]:
        """The plugins that declare the capability."""
        return [contract for contract in self if capability in contract.get_metadata().capabilities]

    def list_plugins_by_type(self, agent_type: str) -> list[PluginContract]:
        """The plugins of an agent type."""
        return [contract for contract in self if contract.get_metadata().agent_type == agent_type]

    def run_health_checks(self) -> dict[str, dict[str, Any]]:
        """The health of each plugin by name; a check that raises is an unhealthy one."""
        return {contract.name: _health(contract) for contract in self}

    def __iter__(self) -> Iterator[PluginContract]:
        return iter(self.list_registered_plugins())

    def __len__(self) -> int:
        return len(self._contracts)

    def __contains__(self, plugin_name: object) -> bool:
        return any(contract.name == plugin_name for contract in self)


def _health(contract: PluginContract) -> dict[str, Any]:
    try:
        return contract.health_check()
    except Exception as error:  # noqa: BLE001  (a plugin's own code may raise anything)
        return {"healthy": False, "error": f"{type(error).__name__}: {error}"}


def _version_key(contract: PluginContract) -> tuple[bool, Version]:
    try:
        return True, Version(contract.version)
    except InvalidVersion:
        return False, Version("0")


_registry = PluginRegistry()


def register_plugin(plugin_class: type[BasePlugin]) -> None:
    """Make a plugin class known. A plugin calls it in its ``__init__.py``.

    :raises RegistrationError: a :class:`ValueError`, when it is no plugin class.
    """
    _registry.register(plugin_class)


def discover_plugins() -> list[PluginContract]:
    """Every registered plugin."""
    return _registry.list_registered_plugins()


def get_plugin_registry() -> PluginRegistry:
    """The registry of this process."""
    return _registry
