"""Checks of a plugin class that an author can run in a test: what is wrong with it, in sentences.

The module's path is the 1.x SDK's.
"""

import inspect
from typing import Any

from cadence_sdk._runtime.endpoint import parse_endpoint
from cadence_sdk.base.agent import BaseAgent
from cadence_sdk.base.metadata import AGENT_TYPES, PluginMetadata
from cadence_sdk.base.plugin import BasePlugin

_REQUIRED = ("get_metadata", "create_agent")


def validate_plugin_structure_shallow(plugin_class: Any) -> list[str]:
    """Check the class and its metadata without making an agent.

    :returns: what is wrong, a sentence each; empty when nothing is.
    """
    if errors := class_errors(plugin_class):
        return errors
    metadata, errors = _called(plugin_class, "get_metadata")
    return errors or metadata_errors(metadata)


def validate_plugin_structure(plugin_class: Any) -> list[str]:
    """Check the class, its metadata, its agent and what the agent offers.

    :returns: what is wrong, a sentence each; empty when nothing is.
    """
    if errors := class_errors(plugin_class):
        return errors
    errors = validate_plugin_structure_shallow(plugin_class)
    missing, call_errors = _called(plugin_class, "validate_dependencies")
    errors += call_errors or dependency_errors(missing)
    agent, call_errors = _called(plugin_class, "create_agent")
    return errors + (call_errors or agent_errors(agent))


def class_errors(plugin_class: Any) -> list[str]:
    """What is wrong with the class itself; runs none of its code."""
    if not inspect.isclass(plugin_class):
        return [f"A plugin is a class, not a {type(plugin_class).__name__}."]
    name = plugin_class.__name__
    if not issubclass(plugin_class, BasePlugin):
        return [f"{name} does not inherit from BasePlugin."]
    abstract: frozenset[str] = getattr(plugin_class, "__abstractmethods__", frozenset())
    errors = [f"{name} does not implement {method}()." for method in _REQUIRED if method in abstract]
    return errors + [
        f"{name}.{method}() must be a static method: put @staticmethod above it."
        for method in (*_REQUIRED, "validate_dependencies", "health_check")
        if _needs_instance(plugin_class, method)
    ]


def metadata_errors(metadata: Any) -> list[str]:
    """What is wrong with the value that ``get_metadata()`` returned."""
    if not isinstance(metadata, PluginMetadata):
        return [f"get_metadata() returned {type(metadata).__name__} instead of a PluginMetadata."]
    errors = [
        f"The metadata's {field} must be a non-empty string."
        for field in ("name", "version", "description")
        if not _is_text(getattr(metadata, field))
    ]
    errors += [
        f"The metadata's {field} must be a list of strings."
        for field in ("capabilities", "dependencies")
        if not _is_texts(getattr(metadata, field))
    ]
    if metadata.agent_type not in AGENT_TYPES:
        errors.append(
            f"The metadata's agent_type is {metadata.agent_type!r}; it must be one of {', '.join(AGENT_TYPES)}."
        )
    if not isinstance(metadata.llm_requirements, dict):
        errors.append("The metadata's llm_requirements must be a dict.")
    errors += [
        f"The metadata's {field} must be a string."
        for field in ("response_suggestion", "sdk_version")
        if not isinstance(getattr(metadata, field), str | None)
    ]
    return errors + request_errors(metadata.network, metadata.memory_mb)


def request_errors(network: Any, memory_mb: Any) -> list[str]:
    """What is wrong with what a plugin asks the operator for."""
    errors = []
    if not _is_texts(network):
        errors.append("The metadata's network must be a list of strings.")
    else:
        for text in network:
            try:
                parse_endpoint(text)
            except ValueError as error:
                errors.append(f"The metadata's network: {error}")
    if memory_mb is not None and (not isinstance(memory_mb, int) or isinstance(memory_mb, bool) or memory_mb < 1):
        errors.append("The metadata's memory_mb must be a whole number of MiB, at least 1.")
    return errors


def dependency_errors(missing: Any) -> list[str]:
    """What the value says that ``validate_dependencies()`` returned."""
    if not isinstance(missing, list | tuple) or not all(isinstance(sentence, str) for sentence in missing):
        return ["validate_dependencies() must return a list of strings."]
    return list(missing)


def agent_errors(agent: Any) -> list[str]:
    """What is wrong with the value that ``create_agent()`` returned and with what it offers."""
    if not isinstance(agent, BaseAgent):
        return [f"create_agent() returned {type(agent).__name__} instead of a BaseAgent."]
    tools, errors = _called(agent, "get_tools")
    errors = errors or tools_errors(tools)
    prompt, call_errors = _called(agent, "get_system_prompt")
    return errors + (call_errors or prompt_errors(prompt))


def tools_errors(tools: Any) -> list[str]:
    """What is wrong with the value that ``get_tools()`` returned."""
    from langchain_core.tools import BaseTool

    if not isinstance(tools, list | tuple):
        return [f"get_tools() returned {type(tools).__name__} instead of a list."]
    errors = [
        f"get_tools() lists {_name(item)}, which is a {type(item).__name__} and no tool: put @tool above it."
        for item in tools
        if not isinstance(item, BaseTool)
    ]
    names = [item.name for item in tools if isinstance(item, BaseTool)]
    if not all(_is_text(name) for name in names):
        errors.append("A tool has no name.")
    twice = sorted({name for name in names if _is_text(name) and names.count(name) > 1})
    return errors + [f"Two tools are named {name!r}." for name in twice]


def prompt_errors(prompt: Any) -> list[str]:
    """What is wrong with the value that ``get_system_prompt()`` returned."""
    if isinstance(prompt, str):
        return []
    return [f"get_system_prompt() returned {type(prompt).__name__} instead of a string."]


def _called(owner: Any, method: str) -> tuple[Any, list[str]]:
    try:
        return getattr(owner, method)(), []
    except Exception as error:  # noqa: BLE001  (a plugin's own code may raise anything)
        return None, [f"{method}() raised {type(error).__name__}: {error}"]


def _needs_instance(plugin_class: type, method: str) -> bool:
    function = inspect.getattr_static(plugin_class, method)
    if not inspect.isfunction(function):
        return False
    parameters = inspect.signature(function).parameters.values()
    return any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _name(item: Any) -> str:
    return str(getattr(item, "__name__", None) or repr(item))
