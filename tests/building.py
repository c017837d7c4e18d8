"""Builds small real plugins, as folders and as archives, with whatever a test wants to be different in them."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

EXAMPLES = Path(__file__).parent.parent / "examples"

DEFAULT_TOOLS = """
    from cadence_sdk import tool

    @tool
    def add(a: int, b: int) -> int:
        "Add two numbers."
        return a + b

    TOOLS = [add]
"""


def plugin_files(
    name: str = "demo_plugin",
    version: str = "1.0.0",
    *,
    tools: str = DEFAULT_TOOLS,
    dependencies: tuple[str, ...] = (),
    description: str = "A plugin for tests",
    metadata_name: str | None = None,
    plugin_body: str = "",
    agent_body: str = "",
    files: Mapping[str, str | None] | None = None,
) -> dict[str, str]:
    """The files of a plugin by path.

    :param tools: source of tools.py; it must define ``TOOLS``.
    :param plugin_body: more members of the plugin class, such as ``health_check``.
    :param agent_body: more members of the agent class.
    :param files: files that replace or, with None, remove one of the usual.
    """
    made: dict[str, str | None] = {
        "__init__.py": "from cadence_sdk import register_plugin\nfrom .plugin import Demo\n\nregister_plugin(Demo)\n",
        "plugin.py": dedent(f"""
            from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata

            from .agent import DemoAgent


            class Demo(BasePlugin):
                @staticmethod
                def get_metadata() -> PluginMetadata:
                    return PluginMetadata(
                        name={metadata_name or name!r},
                        version={version!r},
                        description={description!r},
                        capabilities=["demo"],
                        dependencies={list(dependencies)!r},
                    )

                @staticmethod
                def create_agent() -> BaseAgent:
                    return DemoAgent(Demo.get_metadata())
        """)
        + _indented(plugin_body),
        "agent.py": dedent("""
            from cadence_sdk import BaseAgent

            from .tools import TOOLS


            class DemoAgent(BaseAgent):
                def get_tools(self):
                    return list(TOOLS)

                def get_system_prompt(self):
                    return "You are a demo."
        """)
        + _indented(agent_body),
        "tools.py": dedent(tools),
    }
    made.update(files or {})
    return {path: text for path, text in made.items() if text is not None}


def _indented(body: str) -> str:
    lines = dedent(body).strip("\n").splitlines()
    return "".join(f"\n    {line}" if line else "\n" for line in ["", *lines]) + "\n" if lines else ""


def archive_bytes(files: Mapping[str, str | bytes] | Mapping[str, str]) -> bytes:
    """A ZIP archive of some files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def write_archive(folder: Path, files: Mapping[str, str], name: str = "demo_plugin", version: str = "1.0.0") -> Path:
    """Write ``{name}-{version}.zip`` into a folder, and give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.zip"
    path.write_bytes(archive_bytes(files))
    return path


def write_folder(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the files into a folder, made where it is not there, and give it."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def example_archive(slug: str) -> bytes:
    """The archive of one of the examples, such as ``math_plugin-1.0.0``."""
    folder = EXAMPLES / slug
    return archive_bytes(
        {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if _belongs(path)}
    )


def _belongs(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts
