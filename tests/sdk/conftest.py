"""Plugins written to disk for one test each, and a process that is left as it was found."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cadence_sdk._runtime.loader import unload
from cadence_sdk.registry import get_plugin_registry

MakePlugin = Callable[..., Path]

INIT = """
from cadence_sdk import register_plugin
from .plugin import DemoPlugin
register_plugin(DemoPlugin)
"""

PLUGIN = """
from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata
from .agent import DemoAgent

class DemoPlugin(BasePlugin):
    @staticmethod
    def get_metadata():
        return PluginMetadata(name="demo_plugin", version="1.0.0", description="A demo")

    @staticmethod
    def create_agent():
        return DemoAgent(DemoPlugin.get_metadata())
"""

AGENT = """
from cadence_sdk import BaseAgent
from .tools import tools

class DemoAgent(BaseAgent):
    def get_tools(self):
        return tools

    def get_system_prompt(self):
        return "You are a demo."
"""

TOOLS = """
from cadence_sdk import tool

@tool
def double(number: int) -> int:
    "Double a number."
    return number * 2

tools = [double]
"""


@pytest.fixture
def make_plugin(tmp_path: Path) -> MakePlugin:
    """Writes a working plugin named demo_plugin; keyword arguments replace whole files (``plugin="…"``)."""

    def make(folder: str = "demo_plugin", **files: str) -> Path:
        path = tmp_path / folder
        path.mkdir()
        contents = {"__init__": INIT, "plugin": PLUGIN, "agent": AGENT, "tools": TOOLS, **files}
        for name, source in contents.items():
            (path / f"{name}.py").write_text(source)
        return path

    return make


@pytest.fixture(autouse=True)
def _process_left_as_found() -> Iterator[None]:
    bytecode = sys.dont_write_bytecode
    yield
    unload("demo_plugin")
    get_plugin_registry().clear_all()
    sys.dont_write_bytecode = bytecode
