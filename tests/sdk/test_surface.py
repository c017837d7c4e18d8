"""What a plugin written against the 1.x SDK imports and relies on."""

import importlib
import importlib.metadata
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, get_type_hints

import langchain_core.tools
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

import cadence_sdk
from cadence_sdk import (
    AgentState,
    BaseAgent,
    BasePlugin,
    ModelConfig,
    PluginMetadata,
    list_schema,
    object_schema,
    tool,
    validate_plugin_structure,
    validate_plugin_structure_shallow,
)
from cadence_sdk.response_schema import json_schema

PLACES = {
    "cadence_sdk": cadence_sdk.__all__,
    "cadence_sdk.base": ["BaseAgent", "BasePlugin", "Loggable", "ModelConfig", "PluginMetadata"],
    "cadence_sdk.base.agent": ["BaseAgent"],
    "cadence_sdk.base.plugin": ["BasePlugin"],
    "cadence_sdk.base.metadata": ["PluginMetadata", "ModelConfig"],
    "cadence_sdk.base.loggable": ["Loggable"],
    "cadence_sdk.decorators": ["example", "tool", "object_schema", "list_schema"],
    "cadence_sdk.tools": ["example", "tool", "object_schema", "list_schema", "Tool"],
    "cadence_sdk.tools.decorators": ["example", "tool", "object_schema", "list_schema"],
    "cadence_sdk.registry": [
        "PluginRegistry",
        "PluginContract",
        "register_plugin",
        "discover_plugins",
        "get_plugin_registry",
    ],
    "cadence_sdk.utils": ["validate_plugin_structure", "validate_plugin_structure_shallow"],
    "cadence_sdk.utils.validation": ["validate_plugin_structure", "validate_plugin_structure_shallow"],
    "cadence_sdk.types": ["AgentState"],
    "cadence_sdk.types.state": ["AgentState"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PLACES.items() for name in names])
def test_every_name_is_the_same_at_every_place(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    if name in cadence_sdk.__all__:
        assert found is getattr(cadence_sdk, name)


def test_every_name_is_listed() -> None:
    assert set(cadence_sdk.__all__) <= set(dir(cadence_sdk))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cadence_sdk.nothing  # noqa: B018  (it must not be there)


@pytest.mark.parametrize(
    "code",
    [
        "import cadence_sdk",
        "import cadence_sdk._runtime.report",
        "from cadence_sdk import example",
        "from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata, register_plugin",
    ],
)
def test_what_the_server_imports_does_not_import_langchain(code: str) -> None:
    check = f"{code}; import sys; sys.exit(any(m in sys.modules for m in ('langchain_core', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_the_version_is_that_of_the_distribution() -> None:
    assert cadence_sdk.__version__ == importlib.metadata.version("cadence-sdk")


def test_tool_is_langchains() -> None:
    assert tool is langchain_core.tools.tool


# Metadata


def test_metadata_has_the_defaults_of_1_x() -> None:
    metadata = PluginMetadata("name", "1.0.0", "description")
    assert (metadata.capabilities, metadata.llm_requirements, metadata.dependencies) == ([], {}, [])
    assert (metadata.agent_type, metadata.response_schema, metadata.response_suggestion) == ("specialized", None, None)


def test_metadata_takes_none_for_nothing() -> None:
    metadata = PluginMetadata("n", "1", "d", None, None, dependencies=None)  # type: ignore[arg-type]  # 1.x plugins do
    assert (metadata.capabilities, metadata.llm_requirements, metadata.dependencies) == ([], {}, [])


def test_metadata_refuses_fields_it_does_not_know() -> None:
    with pytest.raises(TypeError):
        PluginMetadata("n", "1", "d", colour="red")  # type: ignore[call-arg]  # that is the point


def test_a_model_config_is_read_from_the_requirements() -> None:
    requirements = {"provider": "openai", "model": "m", "temperature": 0.2, "max_tokens": 9, "seed": 1}
    config = PluginMetadata("n", "1", "d", llm_requirements=requirements).get_model_config()
    assert config == ModelConfig("openai", "m", 0.2, 9, {"seed": 1})
    assert config.model == config.model_name == "m"


# Agents


class Agent(BaseAgent):
    def get_tools(self) -> list[Any]:
        return [double]

    def get_system_prompt(self) -> str:
        return "Be brief."


@tool
def double(number: int) -> int:
    """Double."""
    return number * 2


METADATA = PluginMetadata("demo", "1.0.0", "A demo")


class Model:
    """As much of a chat model as an agent sees."""

    def bind_tools(self, tools: list[Any], **options: Any) -> RunnableLambda[Any, AIMessage]:
        self.bound = (tools, options)
        return RunnableLambda(self.answer)

    def answer(self, messages: Any) -> AIMessage:
        self.asked = list(messages)
        return AIMessage("done")


def test_an_agent_runs_its_tool_calls_in_parallel_unless_it_says_otherwise() -> None:
    assert Agent(METADATA).parallel_tool_calls
    assert not Agent(METADATA, parallel_tool_calls=False).parallel_tool_calls


def test_an_agent_binds_its_tools_and_asks_with_its_prompt() -> None:
    model, agent = Model(), Agent(METADATA, parallel_tool_calls=False)
    agent.bind_model(model, callbacks=[])
    update = agent.create_agent_node()({"messages": [HumanMessage("hi")]})
    assert model.bound == ([double], {"parallel_tool_calls": False})
    assert model.asked == [SystemMessage("Be brief."), HumanMessage("hi")]
    assert update == {"messages": [AIMessage("done", id=update["messages"][0].id)]}


def test_an_agent_without_a_model_says_so() -> None:
    with pytest.raises(RuntimeError, match="bind_model"):
        Agent(METADATA).create_agent_node()({"messages": []})


def test_an_agent_continues_while_the_model_asks_for_tools() -> None:
    asking = AIMessage("", tool_calls=[{"name": "double", "args": {}, "id": "1"}])
    assert BaseAgent.should_continue({"messages": [asking]}) == "continue"
    assert BaseAgent.should_continue({"messages": [asking, AIMessage("done")]}) == "back"
    assert BaseAgent.should_continue({"messages": []}) == BaseAgent.should_continue({}) == "back"


def test_an_agent_has_a_logger_even_when_its_constructor_forgets_the_base() -> None:
    class Forgetful(Agent):
        def __init__(self) -> None:
            pass

    agent = Forgetful()
    assert agent.logger.name.endswith("Forgetful")
    agent.logger = agent.logger.getChild("own")
    assert agent.logger.name.endswith(".own")


def test_the_state_can_be_read_at_run_time() -> None:
    assert "messages" in get_type_hints(AgentState)


# Validation


class Plugin(BasePlugin):
    @staticmethod
    def get_metadata() -> PluginMetadata:
        return METADATA

    @staticmethod
    def create_agent() -> BaseAgent:
        return Agent(METADATA)


class Unmade(Plugin):
    @staticmethod
    def create_agent() -> BaseAgent:
        raise OSError("no")


class Misstated(Plugin):
    @staticmethod
    def get_metadata() -> PluginMetadata:
        return PluginMetadata("", "1.0.0", "A demo", agent_type="boss")


def test_a_sound_plugin_has_no_errors() -> None:
    assert validate_plugin_structure(Plugin) == validate_plugin_structure_shallow(Plugin) == []


def test_the_shallow_check_makes_no_agent() -> None:
    assert validate_plugin_structure_shallow(Unmade) == []
    assert validate_plugin_structure(Unmade) == ["create_agent() raised OSError: no"]


def test_all_errors_are_returned_as_sentences() -> None:
    assert len(validate_plugin_structure(Misstated)) == 2


@pytest.mark.parametrize("thing", [object, 5, None, Plugin()])
def test_what_is_no_plugin_class_is_an_error(thing: Any) -> None:
    assert len(validate_plugin_structure(thing)) == 1


# Response schemas


class Typed(TypedDict):
    """An answer."""

    used: Annotated[list[str], ..., "What was used"]


class Modelled(BaseModel):
    a: int


@dataclass
class Classed:
    a: int
    b: str = "x"


@pytest.mark.parametrize("shape", [Typed, Modelled, Classed])
def test_a_decorated_class_stays_a_class_and_becomes_a_schema(shape: type) -> None:
    assert object_schema(shape) is shape
    assert json_schema(shape)["type"] == "object"
    assert list_schema(shape) is shape
    assert json_schema(shape)["type"] == "array"
    assert json_schema(shape)["items"]["properties"]
    object_schema(shape)


def test_a_mapping_becomes_a_schema_at_once() -> None:
    properties = {"a": {"type": "integer"}}
    expected = {"type": "object", "properties": properties, "required": ["a"]}
    assert object_schema(properties) == object_schema(expected) == json_schema(expected) == expected
    assert list_schema(properties) == {"type": "array", "items": expected}


@pytest.mark.parametrize("shape", [int, 5, "text"])
def test_what_has_no_shape_is_refused(shape: Any) -> None:
    with pytest.raises(TypeError):
        json_schema(shape)
