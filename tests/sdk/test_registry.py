import pytest

from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata, PluginRegistry, discover_plugins, register_plugin


def plugin(name: str = "demo", version: str = "1.0.0", healthy: bool = True) -> type[BasePlugin]:
    class Plugin(BasePlugin):
        @staticmethod
        def get_metadata() -> PluginMetadata:
            return PluginMetadata(name, version, "A demo", capabilities=[name], agent_type="utility")

        @staticmethod
        def create_agent() -> BaseAgent:
            raise NotImplementedError

        @staticmethod
        def health_check() -> dict[str, bool]:
            return {"healthy": 1 / healthy == 1}

    return Plugin


def filled(*plugins: type[BasePlugin]) -> PluginRegistry:
    registry = PluginRegistry()
    for plugin_class in plugins:
        registry.register(plugin_class)
    return registry


def test_what_is_registered_is_discovered() -> None:
    registered = plugin()
    register_plugin(registered)
    assert [contract.plugin_class for contract in discover_plugins()] == [registered]


def test_registering_runs_no_code_of_the_plugin() -> None:
    class Untouched(plugin()):  # type: ignore[misc]  # a class made by a function
        @staticmethod
        def get_metadata() -> PluginMetadata:
            raise AssertionError

    assert len(filled(Untouched)) == 1


def test_what_is_no_plugin_class_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match="does not inherit from BasePlugin"):
        register_plugin(object)  # type: ignore[arg-type]  # that is the point


def test_the_highest_version_of_a_name_is_found() -> None:
    registry = filled(plugin(version="1.9.0"), plugin(version="1.10.0"), plugin(version="odd"))
    contract = registry.get_plugin("demo")
    assert contract is not None
    assert (contract.name, contract.version) == ("demo", "1.10.0")
    assert registry.get_plugin("other") is None


def test_plugins_are_found_by_what_they_declare() -> None:
    registry = filled(plugin("a"), plugin("b"))
    assert [contract.name for contract in registry.list_plugins_by_capability("a")] == ["a"]
    assert len(registry.list_plugins_by_type("utility")) == 2
    assert registry.list_plugin_names() == ["a", "b"]
    assert "a" in registry


def test_a_health_check_that_raises_is_unhealthy() -> None:
    health = filled(plugin("a"), plugin("b", healthy=False)).run_health_checks()
    assert health["a"] == {"healthy": True}
    assert health["b"]["healthy"] is False
    assert "ZeroDivisionError" in health["b"]["error"]


def test_plugins_are_forgotten_by_name() -> None:
    registry = filled(plugin("a"), plugin("a", "2.0"), plugin("b"))
    assert registry.unregister("a")
    assert not registry.unregister("a")
    assert registry.list_plugin_names() == ["b"]
    registry.clear_all()
    assert len(registry) == 0
