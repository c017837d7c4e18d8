"""Test a plugin in a plain pytest, without the server.

::

    from cadence_sdk.testing import load_plugin

    def test_it_adds() -> None:
        with load_plugin("plugins/math_plugin-1.0.0") as plugin:
            assert plugin.call("add", a=2, b=3) == 5

The plugin is loaded and called by the code that runs in the server's workers, in this process and without a sandbox.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar

import msgspec
from packaging.version import InvalidVersion, Version

from cadence_sdk._runtime.loader import LoadedPlugin, LoadFailed, load, unload
from cadence_sdk._runtime.report import ExampleResult, Fault, HealthReport, Metadata
from cadence_sdk._runtime.self_test import SelfTest, faults_of, too_many
from cadence_sdk._runtime.tools import ArgumentsInvalid, ToolCall, to_json
from cadence_sdk.registry import get_plugin_registry

__all__ = ["ArgumentsInvalid", "ExampleResult", "PluginInvalid", "PluginUnderTest", "load_plugin"]


T = TypeVar("T")


class PluginInvalid(Exception):
    """The server would refuse the plugin; ``faults`` are all the reasons."""

    def __init__(self, folder: Path, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join([f"{folder} is not a valid plugin:", *(f"- {fault.message}" for fault in faults)]))


class PluginUnderTest:
    """A loaded plugin; a context manager that puts it down again.

    Only one version of a plugin can be loaded at a time; loading another one closes the one before.

    :ivar metadata: what its ``get_metadata()`` says.
    :ivar tools: the names of its tools.
    :ivar warnings: what the server would warn of, in sentences.
    """

    def __init__(self, plugin: LoadedPlugin, traces: "_Traces", folder: Path) -> None:
        self._plugin = plugin
        self._folder = folder
        self._traces = traces
        self._open = True
        self.metadata: Metadata = plugin.report.metadata
        self.tools = list(plugin.tools)
        self.warnings = list(plugin.report.warnings)

    def call(self, tool: str, /, **args: Any) -> Any:
        """Call a tool, also an ``async`` one, and return its result as a client of the server sees it: as JSON data.

        :raises ArgumentsInvalid: when the arguments do not fit the tool's schema.
        :raises LookupError: when there is no such tool.
        :raises BaseException: whatever the tool raises.
        """
        call = self._tool(tool)
        return _as_seen(_run(call.acall(args)) if call.is_async else call.call(args))

    async def acall(self, tool: str, /, **args: Any) -> Any:
        """Like :meth:`call`, on the running event loop."""
        return _as_seen(await self._tool(tool).acall(args))

    def health_check(self) -> HealthReport:
        """Run the plugin's health check; a check that raises is an unhealthy one."""
        return self._plugin.health()

    def self_test(self) -> tuple[ExampleResult, ...]:
        """Try the examples of all tools, as the server does at the trial and on demand; never raises.

        :returns: of each whether it ``passed``, and ``words`` that say what it did.
        """
        return SelfTest(self._plugin.tools.values(), _run, self._folder).run()

    def close(self) -> None:
        """Let the agent clean up and remove the plugin from this process. Closing twice does nothing."""
        if not self._open:
            return
        self._open = False
        _loaded.pop(self._plugin.module, None)
        try:
            self._plugin.close()
        finally:
            self._traces.remove()

    def _tool(self, name: str) -> ToolCall:
        try:
            return self._plugin.tools[name]
        except KeyError:
            raise LookupError(f"There is no tool {name!r}; there are {', '.join(self.tools)}.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def load_plugin(path: str | os.PathLike[str], *, examples: bool = True) -> PluginUnderTest:
    """Load the plugin in a folder, as the server does at the trial of an upload.

    :param path: the folder with the plugin's ``__init__.py``, named ``name-version`` as in the server, or only
        ``name``: then the metadata may say any version.
    :param examples: whether to try the examples of its tools; see :func:`cadence_sdk.example`.
    :raises PluginInvalid: with everything that is wrong.
    """
    folder = Path(path).resolve()
    name, version = _identity(folder.name)
    module = name.replace("-", "_")
    if module in _loaded:
        _loaded[module].close()
    traces = _Traces(module, folder)
    try:
        plugin = load(folder, name, version)
    except LoadFailed as failure:
        traces.remove()
        raise PluginInvalid(folder, failure.faults) from None
    under_test = _loaded[module] = PluginUnderTest(plugin, traces, folder)
    faults = too_many(plugin.tools.values()) or (faults_of(under_test.self_test()) if examples else ())
    if faults:
        under_test.close()
        raise PluginInvalid(folder, faults)
    return under_test


_loaded: dict[str, PluginUnderTest] = {}


class _Traces:
    """What loading a plugin leaves in a process, and how it was before."""

    def __init__(self, module: str, folder: Path) -> None:
        self._module = module
        self._folder = folder
        self._imported = _imported_from(folder, module)
        for name in self._imported:
            del sys.modules[name]
        self._is_taken = module in sys.modules
        self._bytecode = sys.dont_write_bytecode
        self._registered = [contract.plugin_class for contract in get_plugin_registry()]

    def remove(self) -> None:
        if not self._is_taken:
            unload(self._module)
        sys.modules.update(self._imported)
        for entry in [key for key in sys.path_importer_cache if Path(key).is_relative_to(self._folder)]:
            del sys.path_importer_cache[entry]
        sys.dont_write_bytecode = self._bytecode
        registry = get_plugin_registry()
        registry.clear_all()
        for plugin_class in self._registered:
            registry.register(plugin_class)


def _imported_from(folder: Path, module: str) -> dict[str, ModuleType]:
    """The modules of this package that are already imported from this folder: pytest imports the one it runs in."""
    package = sys.modules.get(module)
    file = getattr(package, "__file__", None)
    if file is None or Path(file).resolve().parent != folder:
        return {}
    return {name: found for name, found in sys.modules.items() if name == module or name.startswith(f"{module}.")}


def _identity(folder: str) -> tuple[str, str | None]:
    """Name and version of ``name-version``, split at the leftmost hyphen that a version follows (PEP 440)."""
    parts = folder.split("-")
    for cut in range(1, len(parts)):
        version = "-".join(parts[cut:])
        try:
            Version(version)
        except InvalidVersion:
            continue
        return "-".join(parts[:cut]), version
    return folder, None


def _as_seen(value: Any) -> Any:
    return msgspec.json.decode(to_json(value))


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, also where an event loop runs already, as other test tools leave one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
